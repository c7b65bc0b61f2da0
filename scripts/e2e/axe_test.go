package e2e

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha512"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// axe-core is what most checkers of accessibility are built on. It is no part
// of the product: npm fetches it when tests run, this version and these bytes.
const (
	axePackage = "axe-core@4.14.1"
	axeSHA512  = "FHfa+lmNjQZfJz1q8wKqIDwC6DExcHt/pkjNQb09a3NPjCKg2rhu5qb2S4r76ASyFNNtuFooJpZe37OgudVGtQ=="
)

var axe = sync.OnceValues(fetchAxe)

var errNoNPM = errors.New("there is no npm here")

// fetchAxe returns the script.
func fetchAxe() (string, error) {
	npm, err := exec.LookPath("npm")
	if err != nil {
		return "", errNoNPM
	}
	dir, err := os.MkdirTemp("", "dialroom-axe-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(dir)
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, npm, "pack", "--silent", axePackage)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("npm pack %s: %w\n%s", axePackage, err, out)
	}
	list, err := filepath.Glob(filepath.Join(dir, "*.tgz"))
	if err != nil || len(list) != 1 {
		return "", fmt.Errorf("npm pack %s left %v: %w", axePackage, list, err)
	}
	raw, err := os.ReadFile(list[0])
	if err != nil {
		return "", err
	}
	if sum := sha512.Sum512(raw); base64.StdEncoding.EncodeToString(sum[:]) != axeSHA512 {
		return "", fmt.Errorf("%s is not the package it was", axePackage)
	}
	return unpack(raw, "package/axe.min.js")
}

// unpack returns one file of a .tgz.
func unpack(raw []byte, name string) (string, error) {
	z, err := gzip.NewReader(bytes.NewReader(raw))
	if err != nil {
		return "", err
	}
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if err != nil {
			return "", fmt.Errorf("%s: %w", name, err)
		}
		if h.Name == name {
			b, err := io.ReadAll(r)
			return string(b), err
		}
	}
}

// violation is one rule of axe-core that a page breaks.
type violation struct {
	ID     string   `json:"id"`
	Impact string   `json:"impact"`
	Help   string   `json:"help"`
	Nodes  []string `json:"nodes"`
}

const runAxe = `(async () => {
	const found = await axe.run(document, {resultTypes: ["violations"]});
	return found.violations.map((v) => ({id: v.id, impact: v.impact ?? "", help: v.help,
		nodes: v.nodes.map((n) => n.html.slice(0, 200) + " " + n.any.map((c) => c.message).join("; "))}));
})()`

// accessible fails when axe-core finds a serious violation on the page as it
// is, in all its looks.
func (p *tab) accessible(what string) {
	p.Helper()
	script, err := axe()
	if errors.Is(err, errNoNPM) {
		p.Skip(err)
	} else if err != nil {
		p.Fatal(err)
	}
	if !js[bool](p, "Boolean(window.axe)") {
		js[bool](p, script+"\n;true")
	}
	for _, l := range p.looks() {
		p.appear(l)
		p.rests()
		for _, v := range js[[]violation](p, runAxe) {
			text := fmt.Sprintf("%s, %v: %s: %s (%s)\n\t%s", what, l, v.Impact, v.Help, v.ID, strings.Join(v.Nodes, "\n\t"))
			if v.Impact == "serious" || v.Impact == "critical" {
				p.Error(text)
			} else {
				p.Log(text)
			}
		}
	}
	p.back()
}
