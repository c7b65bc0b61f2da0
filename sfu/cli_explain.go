package main

import (
	"fmt"
	"io"
	"math"
	"net/http"
	"strconv"
	"text/tabwriter"
	"time"

	"dialroom/sfu/dial"
)

const explainUsage = "explain --number NUMBER [--trunk ID] [--room ROOM] [--ip IP] [--key ID] [--link TOKEN]"

// explain is the command explain: what would become of a dial, and why.
func (c *cli) explain(args []string) error {
	f := c.flags("explain", explainUsage)
	question := map[string]*string{
		"number": f.String("number", "", "what is dialled, as it stands in the link"),
		"trunk":  f.String("trunk", "", "the `id` of the trunk asked for"),
		"room":   f.String("room", "", "the room it is dialled from"),
		"ip":     f.String("ip", "", "the address of the visitor"),
		"key":    f.String("key", "", "the `id` of the script's key; without one a page asks"),
		"link":   f.String("link", "", "the token of a signed link"),
	}
	if _, err := parse(f, args, 0); err != nil {
		return err
	}
	if *question["number"] == "" {
		f.Usage()
		return errUsage
	}
	var answer dial.Explanation
	if err := c.do(http.MethodPost, "/api/v1/explain", question, &answer); err != nil {
		return err
	}
	if c.asJSON {
		return c.print(answer)
	}
	return printExplanation(c.out, answer)
}

// printExplanation writes an explanation for people.
func printExplanation(out io.Writer, e dial.Explanation) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	if e.Number != "" {
		fmt.Fprintf(w, "number\t%s\ntype\t%s\ncountry\t%s\n", e.Number, e.Type, dash(e.Region))
	}
	fmt.Fprintf(w, "verdict\t%s\n", e.Verdict)
	if e.Reason != "" {
		fmt.Fprintf(w, "reason\t%s: %s\n", e.Reason, e.Text)
	}
	if e.Rule != "" {
		fmt.Fprintf(w, "decided by\t%s\n", e.Rule)
	}
	if e.MaxDuration > 0 {
		fmt.Fprintf(w, "at most\t%v\n", time.Duration(e.MaxDuration)*time.Second)
	}
	if e.Price > 0 {
		fmt.Fprintf(w, "a minute\t%s %s\n", amount(e.Price), e.Currency)
	}
	if len(e.Checks) > 0 {
		fmt.Fprintln(w, "\nRULE\tOK\tMATCHED\tHAVE\tLIMIT")
	}
	for _, check := range e.Checks {
		ok, have, limit := "yes", "-", "-"
		if !check.OK {
			ok = "no, " + check.Refusal
		}
		if check.Counted {
			have, limit = amount(check.Have), "off"
		}
		if check.Limit > 0 {
			limit = amount(check.Limit)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", check.Name, ok, dash(check.Rule), have, limit)
	}
	if e.Inside {
		fmt.Fprintln(w, "\nIt is a number of the house: no trunk is needed.")
	}
	if len(e.Trunks) > 0 {
		fmt.Fprintln(w, "\nTRUNK\tNAME\tPRIORITY\tSTATE\tCALLS\tOF")
	}
	for _, t := range e.Trunks {
		fmt.Fprintf(w, "%s\t%s\t%d\t%s\t%d\t%d\n", t.ID, t.Name, t.Priority, t.State, t.Calls, t.MaxCalls)
	}
	return w.Flush()
}

func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// amount writes calls, minutes or money, to a hundredth of a cent.
func amount(f float64) string { return strconv.FormatFloat(math.Round(f*1e4)/1e4, 'f', -1, 64) }
