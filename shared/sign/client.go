package sign

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// maxAnswer bounds what a Client reads of an answer, in bytes: a list of
// 10,000 calls is under half of it.
const maxAnswer = 1 << 20

// Client sends signed requests with JSON bodies to one server. Its methods may
// be called by any goroutine.
type Client struct {
	HTTP *http.Client     // must not follow redirects, which would not be signed
	Base string           // "http://127.0.0.1:8090", without a path
	Key  Key              // signs
	Now  func() time.Time // nil is the system's clock
}

// NewClient returns a client for the server at base that gives up on a request
// after timeout. It uses no proxy and follows no redirect: its peer is on the
// same host or a network of the operator's. secure is for https://; nil believes
// whom the system believes.
func NewClient(base string, key Key, timeout time.Duration, secure *tls.Config) *Client {
	return &Client{
		Base: strings.TrimSuffix(base, "/"),
		Key:  key,
		HTTP: &http.Client{
			Timeout: timeout,
			// In a rush of calls as many requests are under way, and a connection
			// for each of them costs more than the request.
			Transport:     &http.Transport{TLSClientConfig: secure, MaxIdleConnsPerHost: 96, IdleConnTimeout: 90 * time.Second},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
}

// StatusError is an answer other than 2xx.
type StatusError struct {
	Status int
	Body   []byte // as received, at most 1 MiB
}

func (e *StatusError) Error() string { return fmt.Sprintf("answered with HTTP status %d", e.Status) }

// Do sends one request. path may have a query. in becomes the JSON body, nil
// sends none; the answer's JSON is put into out unless that is nil. An answer
// other than 2xx is a *[StatusError]; any other error means that there was no
// usable answer, and says nothing about whether the server acted.
func (c *Client) Do(ctx context.Context, method, path string, in, out any) error {
	var body []byte
	if in != nil {
		var err error
		if body, err = json.Marshal(in); err != nil {
			return fmt.Errorf("%s %s: %w", method, path, err)
		}
	}
	req, err := http.NewRequestWithContext(ctx, method, c.Base+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	now := time.Now
	if c.Now != nil {
		now = c.Now
	}
	if err := Request(req, body, c.Key, now()); err != nil {
		return fmt.Errorf("%s %s: %w", method, path, err)
	}
	resp, err := c.HTTP.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return fmt.Errorf("%s %s: read answer: %w", method, path, err)
	}
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return &StatusError{Status: resp.StatusCode, Body: answer}
	}
	if out != nil {
		if err := json.Unmarshal(answer, out); err != nil {
			return fmt.Errorf("%s %s: read answer: %w", method, path, err)
		}
	}
	return nil
}

// Close closes the connections kept for later requests.
func (c *Client) Close() { c.HTTP.CloseIdleConnections() }
