package web

import (
	"bytes"
	"encoding/xml"
	"image/png"
	"net/http"
	"net/netip"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/makiuchi-d/gozxing"
	"github.com/makiuchi-d/gozxing/qrcode"
)

// scan reads the code of a picture as a telephone does.
func scan(t *testing.T, picture string) string {
	t.Helper()
	img, err := png.Decode(strings.NewReader(picture))
	if err != nil {
		t.Fatal(err)
	}
	bitmap, err := gozxing.NewBinaryBitmapFromImage(img)
	if err != nil {
		t.Fatal(err)
	}
	got, err := qrcode.NewQRCodeReader().Decode(bitmap, map[gozxing.DecodeHintType]any{gozxing.DecodeHintType_PURE_BARCODE: true,
		gozxing.DecodeHintType_CHARACTER_SET: "UTF-8"})
	if err != nil {
		t.Fatal(err)
	}
	return got.GetText()
}

func codePath(form, text string) string { return "/qr." + form + "?text=" + url.QueryEscape(text) }

func TestACodeSaysWhatWasAskedFor(t *testing.T) {
	st := newSite(t, nil)
	for _, text := range []string{
		"x",
		"0123456789",
		"https://call.example.org/room.html?room=x7k2-9fq&dial=%2B4930123456&name=John+Doe",
		"https://call.example.org/room.html?room=Büro&name=Zoë 🦊",
		"https://call.example.org/room.html?room=" + strings.Repeat("a", 1900),
		strings.Repeat("ü", 1400),
	} {
		resp, body := st.do(t, "GET", codePath("png", text), nil)
		if resp.StatusCode != 200 || resp.Header.Get("Content-Type") != "image/png" || resp.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("%.60s: %d %v %.100s", text, resp.StatusCode, resp.Header, body)
			continue
		}
		if got := scan(t, body); got != text {
			t.Errorf("%.60s: scanned as %.60s", text, got)
		}
	}
}

func TestBothFormsOfACodeAreTheSame(t *testing.T) {
	st := newSite(t, nil)
	const text = "https://call.example.org/room.html?room=x7k2-9fq"
	_, picture := st.do(t, "GET", codePath("png", text), nil)
	img, err := png.Decode(strings.NewReader(picture))
	if err != nil {
		t.Fatal(err)
	}
	resp, drawing := st.do(t, "GET", codePath("svg", text), nil)
	if resp.Header.Get("Content-Type") != "image/svg+xml" {
		t.Errorf("%v", resp.Header)
	}
	var svg struct {
		ViewBox string `xml:"viewBox,attr"`
		Paths   []struct {
			D string `xml:"d,attr"`
		} `xml:"path"`
	}
	if err := xml.Unmarshal([]byte(drawing), &svg); err != nil {
		t.Fatal(err)
	}
	side := img.Bounds().Dx() / pixels
	if want := "0 0 " + strconv.Itoa(side) + " " + strconv.Itoa(side); svg.ViewBox != want || len(svg.Paths) != 2 {
		t.Fatalf("%s, want %s; %d paths", svg.ViewBox, want, len(svg.Paths))
	}
	dark := map[[2]int]bool{}
	for _, run := range regexp.MustCompile(`M(\d+) (\d+)h(\d+)v1h-\d+z`).FindAllStringSubmatch(svg.Paths[1].D, -1) {
		x, _ := strconv.Atoi(run[1])
		y, _ := strconv.Atoi(run[2])
		n, _ := strconv.Atoi(run[3])
		for i := range n {
			dark[[2]int{x + i, y}] = true
		}
	}
	for y := range side {
		for x := range side {
			r, _, _, _ := img.At(x*pixels+pixels/2, y*pixels+pixels/2).RGBA()
			if (r == 0) != dark[[2]int{x, y}] {
				t.Fatalf("module %d, %d differs", x, y)
			}
		}
	}
}

func TestATextThatCannotBeACodeIsRefusedInWords(t *testing.T) {
	st := newSite(t, nil)
	for query, want := range map[string]string{
		"":                                   "what the code is to say",
		"?text=":                             "what the code is to say",
		"?text=%ff":                          "UTF-8",
		"?text=" + strings.Repeat("a", 2001): "more than 2000 characters",
		"?text=" + url.QueryEscape(strings.Repeat("🦊", 1999)): "too long",
	} {
		for _, form := range []string{"png", "svg"} {
			if resp, body := st.do(t, "GET", "/qr."+form+query, nil); resp.StatusCode != 400 || !strings.Contains(body, want) {
				t.Errorf("%.20s as %s: %d %s", query, form, resp.StatusCode, body)
			}
		}
	}
}

func TestOneAddressCannotHaveCodesDrawnForEver(t *testing.T) {
	now := time.Unix(1e9, 0)
	st := newSite(t, func(c *Config) {
		c.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
		c.Now = func() time.Time { return now }
	})
	ask := func(from string) int {
		resp, _ := st.do(t, "GET", "/qr.svg?text=x", http.Header{"X-Forwarded-For": {from}})
		return resp.StatusCode
	}
	for range codeBurst {
		if got := ask("2001:db8::1"); got != 200 {
			t.Fatalf("got %d", got)
		}
	}
	if got := ask("2001:db8::2"); got != 429 {
		t.Errorf("another address of the same /64: %d", got)
	}
	if got := ask("2001:db8:0:1::1"); got != 200 {
		t.Errorf("another client: %d", got)
	}
	now = now.Add(time.Second)
	if got := ask("2001:db8::1"); got != 200 {
		t.Errorf("a second later: %d", got)
	}
}

func TestARateKnowsSoManyClientsAndNoMore(t *testing.T) {
	now := time.Unix(1e9, 0)
	r := newRate(2, 1)
	for i := range maxTracked {
		if !r.allow(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), 1, now) {
			t.Fatalf("client %d", i)
		}
	}
	newcomer := netip.MustParseAddr("192.0.2.1")
	if r.allow(newcomer, 1, now) {
		t.Error("one more is known")
	}
	if !r.allow(netip.MustParseAddr("10.0.0.1"), 1, now) {
		t.Error("who is known is not let through any more")
	}
	now = now.Add(2 * time.Second)
	if !r.allow(newcomer, 1, now) || len(r.clients) != 1 {
		t.Errorf("old clients are not forgotten: %d", len(r.clients))
	}
}

func TestWrongKeysDoNotFloodTheLogAndTheRightOneStillOpens(t *testing.T) {
	a := newAPI(t)
	a.cfg.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	ask := func(key string) int {
		resp, _ := a.do(t, "GET", apiPath+"/rooms", http.Header{"Authorization": {"Bearer " + key}, "X-Forwarded-For": {"192.0.2.9"}})
		return resp.StatusCode
	}
	seen := map[int]int{}
	for range wrongKeyBurst + 5 {
		seen[ask("wrong")]++
	}
	if seen[401] < wrongKeyBurst || seen[429] == 0 {
		t.Errorf("got %v", seen)
	}
	if got := ask(apiKey1); got != 200 {
		t.Errorf("the right key: %d", got)
	}
}

// BenchmarkCode draws the code of a usual link, and the largest there is.
func BenchmarkCode(b *testing.B) {
	for _, n := range []int{60, 1900} {
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			for b.Loop() {
				m, err := encode("https://call.example.org/room.html?room=" + strings.Repeat("a", n))
				if err != nil {
					b.Fatal(err)
				}
				if picture, err := m.png(); err != nil || !bytes.HasPrefix(picture, []byte("\x89PNG")) {
					b.Fatal(err)
				}
			}
		})
	}
}
