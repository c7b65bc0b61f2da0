package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"dialroom/shared/config"
	"dialroom/shared/sign"
)

// The commands beside running (link, explain) are a client of the API of the
// sfu that runs: where it listens, and a key, are in the same settings file.
// They never open the ledger, which belongs to that process alone; when no sfu
// runs they say so.

// cliTimeout is how long the running sfu may take to answer.
const cliTimeout = 15 * time.Second

// cli is one run of a command.
type cli struct {
	out, errs io.Writer
	asJSON    bool
	settings  string
}

// flags are the flags that every command has.
func (c *cli) flags(name, usage string) *flag.FlagSet {
	f := flag.NewFlagSet("sfu "+name, flag.ContinueOnError)
	f.SetOutput(c.errs)
	f.StringVar(&c.settings, "config", "dialroom.yaml", "the settings file of the running sfu")
	f.BoolVar(&c.asJSON, "json", false, "print the answer as JSON")
	f.Usage = func() {
		fmt.Fprintf(c.errs, "usage: sfu %s\n", usage)
		f.PrintDefaults()
	}
	return f
}

// do asks the running sfu. in becomes the JSON body, nil sends none; the answer
// goes into out unless that is nil.
func (c *cli) do(method, path string, in, out any) error {
	cfg, err := config.Load(c.settings)
	if err != nil {
		return err
	}
	if len(cfg.SFU.APIKeys) == 0 {
		return fmt.Errorf("%s has no sfu.api_keys: set one, and restart the sfu", c.settings)
	}
	base, client, err := clientOf(cfg)
	if err != nil {
		return err
	}
	defer client.CloseIdleConnections()
	var body bytes.Buffer
	if in != nil {
		if err := json.NewEncoder(&body).Encode(in); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), cliTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, base+path, &body)
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+cfg.SFU.APIKeys[0].Key)
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := client.Do(req)
	var unreachable *net.OpError
	if errors.As(err, &unreachable) && unreachable.Op == "dial" {
		return fmt.Errorf("no sfu answers at %s: start it first, links and counters are its own", base)
	} else if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, 8<<20))
	if err != nil {
		return err
	}
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return failed(resp.StatusCode, answer)
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(answer, out)
}

// failed says in words what the sfu answered.
func failed(status int, answer []byte) error {
	var said struct {
		Description string `json:"error_description"`
	}
	if json.Unmarshal(answer, &said) == nil && said.Description != "" {
		return errors.New(said.Description)
	}
	return fmt.Errorf("the sfu answers with HTTP status %d", status)
}

// clientOf returns where the sfu of these settings answers on this host, and
// with what to ask it.
func clientOf(cfg *config.Config) (base string, client *http.Client, err error) {
	here := config.Here(cfg.SFU.Listen)
	if here == "" {
		return "", nil, fmt.Errorf("sfu.listen is %q: nobody knows where the sfu is", cfg.SFU.Listen)
	}
	transport := &http.Transport{}
	client = &http.Client{Timeout: cliTimeout, Transport: transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	if cert := cfg.SFU.TLS.Cert; cert != "" {
		if transport.TLSClientConfig, err = sign.Pinned(cert); err != nil {
			return "", nil, fmt.Errorf("sfu.tls.cert: %w", err)
		}
	}
	return cfg.SFU.Scheme() + here, client, nil
}

// print writes an answer as JSON, indented.
func (c *cli) print(answer any) error {
	e := json.NewEncoder(c.out)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(answer)
}

// isCommand reports whether the command line is that of a command.
func isCommand(args []string) bool {
	return len(args) > 0 && (args[0] == "link" || args[0] == "explain")
}

// errUsage is a wrong command line, of which the flags have told.
var errUsage = errors.New("usage")

// runCommand runs a command and returns its exit code, as command does.
func runCommand(args []string, out, errs io.Writer) int {
	c := &cli{out: out, errs: errs}
	var err error
	if args[0] == "link" {
		err = c.link(args[1:])
	} else {
		err = c.explain(args[1:])
	}
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp):
		return 0
	case errors.Is(err, errUsage):
		return 2
	}
	fmt.Fprintf(errs, "sfu: %s\n", strings.TrimPrefix(err.Error(), "sfu: "))
	return 1
}

// parse reads flags and, in any order with them, the arguments wanted.
func parse(f *flag.FlagSet, args []string, wanted int) (arguments []string, err error) {
	for {
		if err := f.Parse(args); errors.Is(err, flag.ErrHelp) {
			return nil, err
		} else if err != nil {
			return nil, errUsage
		}
		if args = f.Args(); len(args) == 0 {
			break
		}
		arguments, args = append(arguments, args[0]), args[1:]
	}
	if len(arguments) != wanted {
		f.Usage()
		return nil, errUsage
	}
	return arguments, nil
}
