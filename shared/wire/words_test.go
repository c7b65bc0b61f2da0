package wire

import (
	"go/ast"
	"go/parser"
	"go/token"
	"strconv"
	"strings"
	"testing"
)

// reasons reads every state, ending and refusal out of the source, so that a
// new one without words fails here.
func reasons(t *testing.T) []string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "wire.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		if kind, ok := spec.Type.(*ast.Ident); ok && (kind.Name == "State" || kind.Name == "Ending" || kind.Name == "Refusal") {
			text, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
			if err != nil {
				t.Fatal(err)
			}
			found = append(found, text)
		}
		return true
	})
	return found
}

func TestEveryStateEndingAndRefusalHasOneSentenceOfItsOwn(t *testing.T) {
	all := reasons(t)
	if len(all) != 6+15+13 {
		t.Errorf("got %d words, want those of the interface: %v", len(all), all)
	}
	seen := map[string]string{}
	for _, reason := range all {
		text, ok := words(reason)
		if !ok {
			t.Errorf("%s has no words", reason)
			continue
		}
		if !strings.HasSuffix(text, ".") || strings.Count(text, ".") != 1 || strings.ToUpper(text[:1]) != text[:1] {
			t.Errorf("%s: %q is not one sentence", reason, text)
		}
		if other := seen[text]; other != "" {
			t.Errorf("%s and %s have the same words", reason, other)
		}
		seen[text] = reason
		if Words(reason) != text {
			t.Errorf("Words(%q) = %q, want %q", reason, Words(reason), text)
		}
	}
}

func TestAWordNobodyKnowsStillMakesASentence(t *testing.T) {
	if got := Words("gremlins"); got != "The call did not work." {
		t.Errorf("got %q", got)
	}
}
