package e2e

import (
	"encoding/json"
	"io"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"dialroom/scripts/carrier/ua"
	"dialroom/shared/config"
)

// asOperator asks the operators' API.
func (w *world) asOperator(path string) string {
	w.Helper()
	req, err := http.NewRequestWithContext(w.soon(), http.MethodGet, w.stack.URL+"/api/v1"+path, nil)
	if err != nil {
		w.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer 0123456789abcdef-ops")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		w.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		w.Fatalf("%s: %d %s, %v", path, res.StatusCode, body, err)
	}
	return string(body)
}

// A cap of one call a day is no obstacle for callers, and callers use nothing of it.
func TestCallsThatComeInAreOnRecordAndCountAgainstNoCap(t *testing.T) {
	w := newWorld(t, options{settings: func(c *config.Config) {
		patient(c)
		c.SFU.APIKeys = []config.APIKey{{ID: "ops", Key: "0123456789abcdef-ops"}}
		c.Fraud.PerDay.Total = 1
		c.Numbers = []config.Number{{Number: "+4930123400", Room: "house", Waiting: config.WaitingAnnounce, Wait: 2 * time.Minute}}
	}})
	var callers []*ua.Call
	for range 3 {
		c, err := w.carrier.Dial(w.soon(), "udp", netip.MustParseAddrPort(w.stack.Config.Bridge.SIP.UDP), "+4989654321", "+4930123400", talking)
		if err != nil {
			t.Fatal(err)
		}
		callers = append(callers, c)
	}
	type record struct {
		Direction, Asker, Key, Room, Number, Called, Trunk, Ending string
		AnsweredAt                                                 *string `json:"answered_at"`
	}
	records := func(query string) []record {
		var page struct{ Data []record }
		if err := json.Unmarshal([]byte(w.asOperator("/records"+query)), &page); err != nil {
			t.Fatal(err)
		}
		return page.Data
	}
	eventually(t, patience, "three calls run, by the record", func() bool {
		running := 0
		for _, r := range records("?direction=in") {
			if r.Ending == "" && r.AnsweredAt != nil {
				running++
			}
		}
		return running == 3
	})
	w.runScript("600", "house") // the one call that may be placed
	if out := records("?direction=out"); len(out) != 1 || out[0].Number != "600" || out[0].Called != "" {
		t.Errorf("placed: %+v", out)
	}
	for _, c := range callers {
		c.Hangup()
	}
	eventually(t, patience, "three calls have ended, by the record", func() bool { return len(records("?direction=in&ending=hangup-phone")) == 3 })
	want := record{Direction: "in", Asker: "trunk", Key: "tr_demo", Room: "house", Number: "+4989654321", Called: "+4930123400", Trunk: "tr_demo", Ending: "hangup-phone"}
	for _, r := range records("?direction=in") {
		if r.AnsweredAt == nil {
			t.Errorf("never answered: %+v", r)
		}
		if r.AnsweredAt = nil; r != want {
			t.Errorf("on record: %+v", r)
		}
	}
	if table := w.asOperator("/records.csv?direction=in"); strings.Count(table, ",in,+4930123400\n") != 3 {
		t.Errorf("the table:\n%s", table)
	}
	if strings.Contains(w.log.String(), "4989654321") {
		t.Error("the caller's number is in the log")
	}
}
