package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/chromedp/cdproto/accessibility"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/dom"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// thing is one element as assistive software presents it.
type thing struct {
	role, name, value string
	states            map[string]string // disabled, pressed, expanded, checked, live …
	node              cdp.BackendNodeID
	id, parent        accessibility.NodeID
}

// scope is a part of a page in which things are looked for.
type scope struct {
	*tab
	role, name string // of the part; "" is the whole page
}

// in is the part of the page that is a thing of that role and name.
func (p *tab) in(role, name string) scope { return scope{p, role, name} }

func (p *tab) whole() scope { return scope{p, "", ""} }

// fits reports whether a name is the wanted one; "*" in want stands for anything.
func fits(name, want string) bool {
	if name == want {
		return true
	}
	if !strings.Contains(want, "*") {
		return false
	}
	pieces := strings.Split(want, "*")
	if !strings.HasPrefix(name, pieces[0]) {
		return false
	}
	rest := name[len(pieces[0]):]
	for _, piece := range pieces[1 : len(pieces)-1] {
		at := strings.Index(rest, piece)
		if at < 0 {
			return false
		}
		rest = rest[at+len(piece):]
	}
	return strings.HasSuffix(rest, pieces[len(pieces)-1])
}

// things is the accessibility tree without what is ignored, in reading order.
func (p *tab) things() ([]thing, error) {
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	var list []thing
	err := chromedp.Do(ctx, chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		res, err := cdp.Call(ctx, t, accessibility.GetFullAXTree, accessibility.GetFullAXTreeParams{})
		if err != nil {
			return err
		}
		for _, n := range res.Nodes {
			// What is ignored stays as a link between its parent and its children.
			h := thing{node: n.BackendDOMNodeID, id: n.NodeID, parent: n.ParentID, states: map[string]string{}}
			if !n.Ignored {
				h.role, h.name, h.value = plain(n.Role), plain(n.Name), plain(n.Value)
				for _, s := range n.Properties {
					h.states[string(s.Name)] = plain(s.Value)
				}
			}
			list = append(list, h)
		}
		return nil
	}))
	return list, err
}

func plain(v *accessibility.Value) string {
	if v == nil || len(v.Value) == 0 {
		return ""
	}
	var text string
	if json.Unmarshal(v.Value, &text) == nil {
		return text
	}
	return string(v.Value)
}

// all finds every thing of a role and name in the scope.
func (s scope) all(role, name string) []thing {
	s.Helper()
	list, err := s.things()
	if err != nil {
		s.Fatalf("browser: %v", err)
	}
	inside := map[accessibility.NodeID]bool{}
	var found, exact []thing
	for _, h := range list {
		if s.role == "" || inside[h.parent] || h.role == s.role && fits(h.name, s.name) {
			inside[h.id] = true
		}
		if !inside[h.id] || h.role != role || h.node == 0 {
			continue
		}
		if h.name == name {
			exact = append(exact, h)
		}
		if fits(h.name, name) {
			found = append(found, h)
		}
	}
	if len(exact) > 0 {
		return exact
	}
	return found
}

// has reports whether there is such a thing now.
func (s scope) has(role, name string) bool {
	s.Helper()
	return len(s.all(role, name)) > 0
}

// see waits for a thing and returns the first.
func (s scope) see(role, name string) thing {
	s.Helper()
	var found []thing
	s.await(role, name, func() bool {
		found = s.all(role, name)
		return len(found) > 0
	})
	return found[0]
}

// seeWhere waits until a thing has a state, such as pressed=true.
func (s scope) seeWhere(role, name, state, value string) {
	s.Helper()
	s.await(role, name+"["+state+"="+value+"]", func() bool {
		for _, h := range s.all(role, name) {
			if h.states[state] == value {
				return true
			}
		}
		return false
	})
}

// gone waits until there is no such thing.
func (s scope) gone(role, name string) {
	s.Helper()
	s.await("no "+role, name, func() bool { return !s.has(role, name) })
}

// await is eventually, and on its end says what is on the page.
func (s scope) await(role, name string, ask func() bool) {
	s.Helper()
	ok := false
	defer func() {
		if !ok {
			s.Logf("looking for %s %q in %q %q; the page has:\n%s", role, name, s.role, s.name, s.outline())
		}
	}()
	eventually(s.TB, patience, fmt.Sprintf("%s %q", role, name), ask)
	ok = true
}

// outline is what is on the page, for people.
func (s scope) outline() string {
	list, err := s.things()
	if err != nil {
		return err.Error()
	}
	var b strings.Builder
	for _, h := range list {
		if h.role == "" || h.name == "" && h.value == "" || h.role == "InlineTextBox" {
			continue
		}
		fmt.Fprintf(&b, "  %s %q %s\n", h.role, h.name, h.value)
	}
	return b.String()
}

// click presses the one thing of that role and name where a person would: in
// the middle of what is seen of it, and only when nothing lies over it.
func (s scope) click(role, name string) {
	s.Helper()
	var x, y float64
	last := spot{Covered: "not there"}
	defer func() {
		if last.Covered != "" {
			s.Logf("%s %q at %.0f, %.0f is under %s", role, name, x, y, last.Covered)
		}
	}()
	s.await(role, name, func() bool {
		found := s.all(role, name)
		if len(found) > 1 {
			s.Fatalf("%d things are %s %q: which one is meant?\n%s", len(found), role, name, s.outline())
		}
		if len(found) == 0 || found[0].states["disabled"] == "true" {
			return false
		}
		at, ok := s.reach(found[0])
		x, y, last = at.X, at.Y, at
		if !ok && !s.screen.mobile && x > 0 && y > 0 {
			s.do(chromedp.MouseEvent(chromedp.MouseMoved, x, y)) // some buttons show when they are pointed at
		}
		return ok
	})
	if js[bool](s.tab, "navigator.maxTouchPoints > 0 && matchMedia('(pointer: coarse)').matches") {
		s.do(chromedp.TapXY(x, y))
	} else {
		s.do(chromedp.MouseClickXY(x, y))
	}
}

// spot is where a thing can be pressed.
type spot struct {
	X       float64 `json:"x"`
	Y       float64 `json:"y"`
	Covered string  `json:"covered"`
	Resting bool    `json:"resting"`
}

// reaching scrolls an element into the window and says where its middle is,
// once it rests there, and what lies over it.
const reaching = `async function() {
	const box = () => this.getBoundingClientRect();
	let b = box();
	if (b.top < 0 || b.left < 0 || b.bottom > innerHeight || b.right > innerWidth) this.scrollIntoView({block: "center", inline: "center", behavior: "instant"});
	b = box();
	await new Promise((r) => requestAnimationFrame(() => requestAnimationFrame(r)));
	const c = box();
	const x = c.left + c.width / 2, y = c.top + c.height / 2;
	const top = document.elementFromPoint(x, y);
	const own = top && (this.contains(top) || [...(this.labels ?? [])].some((l) => l.contains(top)));
	return {x, y, covered: own ? "" : String(top?.outerHTML ?? "nothing").slice(0, 120), resting: b.left === c.left && b.top === c.top && c.width > 0};
}`

func (s scope) reach(h thing) (spot, bool) {
	var at spot
	yes := true
	ctx, cancel := context.WithTimeout(s.ctx, patience)
	defer cancel()
	err := chromedp.Do(ctx, chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		res, err := cdp.Call(ctx, t, dom.ResolveNode, dom.ResolveNodeParams{BackendNodeID: h.node})
		if err != nil {
			return err
		}
		out, err := cdp.Call(ctx, t, runtime.CallFunctionOn, runtime.CallFunctionOnParams{
			ObjectID: res.Object.ObjectID, FunctionDeclaration: reaching, ReturnByValue: &yes, AwaitPromise: &yes,
		})
		if err != nil {
			return err
		}
		if out.ExceptionDetails != nil {
			return fmt.Errorf("%s", exception(out.ExceptionDetails))
		}
		return json.Unmarshal(out.Result.Value, &at)
	}))
	// A node that has just gone is looked for again.
	return at, err == nil && at.Resting && at.Covered == ""
}

// fill replaces what is in a field, as typing does.
func (s scope) fill(role, name, text string) {
	s.Helper()
	s.click(role, name)
	s.do(chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		if _, err := cdp.Call(ctx, t, runtime.Evaluate, runtime.EvaluateParams{Expression: "document.activeElement.select?.()"}); err != nil {
			return err
		}
		if text == "" {
			_, err := chromedp.KeyEvent("\b")(ctx, t)
			return err
		}
		_, err := cdp.Call(ctx, t, input.InsertText, input.InsertTextParams{Text: text})
		return err
	}))
}

// choose picks an option of a list by its text.
func (s scope) choose(name, option string) {
	s.Helper()
	h := s.see("combobox", name)
	ctx, cancel := context.WithTimeout(s.ctx, patience)
	defer cancel()
	err := chromedp.Do(ctx, chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		res, err := cdp.Call(ctx, t, dom.ResolveNode, dom.ResolveNodeParams{BackendNodeID: h.node})
		if err != nil {
			return err
		}
		// The list a browser opens is not part of the page.
		pick := fmt.Sprintf(`function() {
			const option = [...this.options].find((o) => o.textContent.trim() === %q);
			if (!option) throw new Error("the options are " + [...this.options].map((o) => o.textContent));
			this.focus(); this.value = option.value;
			this.dispatchEvent(new Event("input", {bubbles: true})); this.dispatchEvent(new Event("change", {bubbles: true}));
		}`, option)
		out, err := cdp.Call(ctx, t, runtime.CallFunctionOn, runtime.CallFunctionOnParams{ObjectID: res.Object.ObjectID, FunctionDeclaration: pick})
		if err == nil && out.ExceptionDetails != nil {
			err = fmt.Errorf("%s", exception(out.ExceptionDetails))
		}
		return err
	}))
	if err != nil {
		s.Fatalf("choosing %q in %q: %v", option, name, err)
	}
}

// The same on the whole page.

func (p *tab) see(role, name string) thing  { p.Helper(); return p.whole().see(role, name) }
func (p *tab) has(role, name string) bool   { p.Helper(); return p.whole().has(role, name) }
func (p *tab) gone(role, name string)       { p.Helper(); p.whole().gone(role, name) }
func (p *tab) click(role, name string)      { p.Helper(); p.whole().click(role, name) }
func (p *tab) fill(role, name, text string) { p.Helper(); p.whole().fill(role, name, text) }
func (p *tab) choose(name, option string)   { p.Helper(); p.whole().choose(name, option) }
func (p *tab) keys(keys string)             { p.Helper(); p.do(chromedp.KeyEvent(keys)) }
func (p *tab) focused() (name string) {
	p.Helper()
	list, err := p.things()
	if err != nil {
		p.Fatal(err)
	}
	for _, h := range list {
		if h.states["focused"] == "true" && h.role != "RootWebArea" {
			name = h.role + " " + h.name
		}
	}
	return name
}

// words waits until a text can be read somewhere on the page.
func (p *tab) words(text string) {
	p.Helper()
	p.whole().await("text", text, func() bool {
		list, err := p.things()
		if err != nil {
			p.Fatal(err)
		}
		for _, h := range list {
			if h.role == "StaticText" && fits(h.name, text) {
				return true
			}
		}
		return false
	})
}

// keyDown and keyUp hold a key, which may be a letter or a space.
func keyDown(key string) chromedp.Action[chromedp.Void] {
	return holdKey(input.DispatchKeyEventTypeKeyDown, key)
}
func keyUp(key string) chromedp.Action[chromedp.Void] {
	return holdKey(input.DispatchKeyEventTypeKeyUp, key)
}

func holdKey(what input.DispatchKeyEventType, key string) chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		code := "Key" + strings.ToUpper(key)
		if key == " " {
			code = "Space"
		}
		_, err := cdp.Call(ctx, t, input.DispatchKeyEvent, input.DispatchKeyEventParams{Type: what, Key: key, Code: code})
		return err
	})
}

func (p *tab) seeWhere(role, name, state, value string) {
	p.Helper()
	p.whole().seeWhere(role, name, state, value)
}
