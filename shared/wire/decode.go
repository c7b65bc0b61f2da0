package wire

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
)

// BadBody is what is wrong with the body of a request, in words that may leave:
// "number: expected a string, got number".
type BadBody struct{ Text string }

func (e *BadBody) Error() string { return e.Text }

// Decode reads a body strictly: one JSON object, no unknown field, nothing after
// it. Errors: *[BadBody].
func Decode(body []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	err := d.Decode(into)
	if err == nil {
		if _, err = d.Token(); err == io.EOF {
			return nil
		}
		err = errors.New("more than one value")
	}
	// The decoder's own text names our types, and does not leave.
	var kind *json.UnmarshalTypeError
	if errors.As(err, &kind) && kind.Field != "" {
		return &BadBody{fmt.Sprintf("%s: expected %s, got %s", kind.Field, jsonKind(kind.Type), kind.Value)}
	}
	if field, unknown := strings.CutPrefix(err.Error(), "json: unknown field "); unknown { // it has no type
		return &BadBody{strings.Trim(field, `"`) + ": unknown field"}
	}
	return &BadBody{"body: expected one JSON object"}
}

// jsonKind names what a field of ours takes, in the words of JSON.
func jsonKind(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Bool:
		return "true or false"
	case reflect.Int, reflect.Int64, reflect.Uint32, reflect.Float64:
		return "a number"
	case reflect.Struct:
		return "an object"
	case reflect.Slice:
		return "a list"
	}
	return "a string"
}
