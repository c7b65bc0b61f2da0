package web

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"math"
	"net/http"
	"strconv"
	"unicode/utf8"

	"github.com/boombuler/barcode/qr"
	"github.com/cloudwego/hertz/pkg/app"
)

// This file draws QR codes (ISO/IEC 18004) of what a page wants somebody to scan
// or print: the address of a room. What they say is not kept and not logged.

const (
	// maxCode is the longest text of a code, in characters: no address that
	// browsers and mail programs handle well is longer.
	maxCode = 2000

	// A form that draws its code anew with every key stroke stays below this.
	// It counts codes of up to codeUnit characters, which cost some 5 ms each; the
	// longest cost ten times that, and count so.
	codeBurst      = 60
	codesPerSecond = 4
	codeUnit       = 200

	// quiet is the light margin that scanners need, in modules (ISO/IEC 18004 §6.3.8).
	quiet = 4
	// pixels is the side of a module in a PNG: on paper at 300 dpi a code of
	// a usual link is five centimetres wide.
	pixels = 10
)

// modules is a code: its side, and row by row which modules are dark.
type modules struct {
	size int
	dark []bool
}

// encode returns the code of a text, with medium error correction where it has
// room for that and low where not.
func encode(text string) (modules, error) {
	code, err := qr.Encode(text, qr.M, qr.Unicode)
	if err != nil {
		if code, err = qr.Encode(text, qr.L, qr.Unicode); err != nil {
			return modules{}, err
		}
	}
	area := code.Bounds()
	m := modules{size: area.Dx()}
	for y := area.Min.Y; y < area.Max.Y; y++ {
		for x := area.Min.X; x < area.Max.X; x++ {
			r, _, _, _ := code.At(x, y).RGBA()
			m.dark = append(m.dark, r == 0)
		}
	}
	return m, nil
}

// code is GET /qr.svg and GET /qr.png, with the text in ?text=.
func (s *Server) code(contentType string, draw func(modules) ([]byte, error)) app.HandlerFunc {
	return func(_ context.Context, ctx *app.RequestContext) {
		text := ctx.Query("text")
		switch {
		case text == "":
			ctx.String(http.StatusBadRequest, "Say what the code is to say: ?text=…\n")
			return
		case !utf8.ValidString(text):
			ctx.String(http.StatusBadRequest, "The text is not UTF-8.\n")
			return
		case utf8.RuneCountInString(text) > maxCode:
			ctx.String(http.StatusBadRequest, fmt.Sprintf("The text has more than %d characters.\n", maxCode))
			return
		case !s.codes.allow(s.client(ctx), math.Ceil(float64(len(text))/codeUnit), s.cfg.Now()):
			ctx.Response.Header.Set("Retry-After", "5")
			ctx.String(http.StatusTooManyRequests, "Too many codes at once; try again in a few seconds.\n")
			return
		}
		m, err := encode(text)
		if err != nil {
			ctx.String(http.StatusBadRequest, "The text is too long for a QR code.\n")
			return
		}
		body, err := draw(m)
		if err != nil {
			s.fail(ctx, err)
			return
		}
		ctx.Data(http.StatusOK, contentType, body)
	}
}

// svg draws each row's runs of dark modules as rectangles of one path.
func (m modules) svg() ([]byte, error) {
	side := strconv.Itoa(m.size + 2*quiet)
	var b bytes.Buffer
	b.WriteString(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ` + side + ` ` + side + `" shape-rendering="crispEdges">` +
		`<path fill="#fff" d="M0 0h` + side + `v` + side + `H0z"/><path fill="#000" d="`)
	for y := range m.size {
		for x := 0; x < m.size; x++ {
			run := 0
			for x+run < m.size && m.dark[y*m.size+x+run] {
				run++
			}
			if run > 0 {
				fmt.Fprintf(&b, "M%d %dh%dv1h-%dz", x+quiet, y+quiet, run, run)
				x += run
			}
		}
	}
	b.WriteString(`"/></svg>`)
	return b.Bytes(), nil
}

// png draws black on white, two colours and nothing else.
func (m modules) png() ([]byte, error) {
	side := (m.size + 2*quiet) * pixels
	picture := image.NewPaletted(image.Rect(0, 0, side, side), color.Palette{color.White, color.Black})
	for i, dark := range m.dark {
		if !dark {
			continue
		}
		at := ((i/m.size+quiet)*picture.Stride + i%m.size + quiet) * pixels
		for row := range pixels {
			for x := range pixels {
				picture.Pix[at+row*picture.Stride+x] = 1
			}
		}
	}
	var b bytes.Buffer
	err := png.Encode(&b, picture)
	return b.Bytes(), err
}
