package dial

import (
	"bufio"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"dialroom/sfu/fraud"
	"dialroom/sfu/ledger"
	"dialroom/sfu/room"
	"dialroom/shared/sign"
	"dialroom/shared/wire"
)

// The environment that makes the test binary the sfu that is killed.
const (
	childDir = "DIALROOM_DIAL_CHILD_DIR"
	childURL = "DIALROOM_DIAL_CHILD_URL"
)

// kill -9 at any moment: there are never fewer reservations on disk than calls
// that reached the bridge.
func TestAKilledProcessNeverCalledWithoutAReservation(t *testing.T) {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	invites := map[string]bool{}
	arrived := make(chan struct{}, 1)
	bridge := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost || r.URL.Path != wire.PathCalls {
			return
		}
		var req wire.CallRequest
		if err := json.NewDecoder(r.Body).Decode(&req); err != nil {
			return // the process died while it was writing
		}
		mu.Lock()
		invites[req.ID] = true
		mu.Unlock()
		select {
		case arrived <- struct{}{}:
		default:
		}
		_ = json.NewEncoder(w).Encode(wire.CallResponse{Call: wire.Call{ID: req.ID}, Media: bridgeMedia})
	}))
	defer bridge.Close()

	dir := t.TempDir()
	for round := range 4 {
		cmd := exec.Command(exe)
		cmd.Env = append(os.Environ(), childDir+"="+dir, childURL+"="+bridge.URL)
		said, err := cmd.StderrPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		for range 5 + 9*round {
			select {
			case <-arrived:
			case <-time.After(30 * time.Second):
				t.Fatal("no call arrives")
			}
		}
		_ = cmd.Process.Kill()
		for lines := bufio.NewScanner(said); lines.Scan(); {
			t.Log(lines.Text())
		}
		_ = cmd.Wait()
		for len(arrived) > 0 {
			<-arrived
		}
	}
	bridge.Close() // waits for the requests under way

	db, err := sql.Open("sqlite", filepath.Join(dir, "ledger.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for id := range invites {
		var number string
		if err := db.QueryRow(`SELECT number FROM calls WHERE id = ?`, id).Scan(&number); err != nil {
			t.Errorf("call %s was sent without a reservation: %v", id, err)
		}
	}
	if len(invites) < 5 {
		t.Errorf("only %d calls were sent", len(invites))
	}
}

// dialForever is the process that is killed: a real ledger, a real client, and
// one new number after the other from many pages at once.
func dialForever(dir, url string) {
	die := func(err error) {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	book, err := ledger.Open(filepath.Join(dir, "ledger.db"), ledger.Options{})
	if err != nil {
		die(err)
	}
	allow, err := fraud.New(fraud.Settings{Allow: []string{"+"}})
	if err != nil {
		die(err)
	}
	rooms := room.New(room.Config{})
	client := sign.NewClient(url, sign.Key{ID: "sfu", Role: "sfu", Secret: []byte("a secret of the tests, long enough")}, 5*time.Second, nil)
	legs := &fakeLegs{}
	s := New(Config{Rooms: rooms, NewLeg: legs.make, Ledger: book, Bridge: client, Instance: "s1", Policy: Policy{Rules: allow, AddPhone: true}})
	var wg sync.WaitGroup
	for worker := range 4 {
		p, _, err := rooms.Join(room.JoinRequest{Room: fmt.Sprint("room ", worker), Sender: &page{}})
		if err != nil {
			die(err)
		}
		wg.Go(func() {
			for i := range 10_000 {
				c := s.Dial(context.Background(), Request{Room: p.Room().Name(), Participant: p.ID(), Number: fmt.Sprintf("+4930%07d", i)})
				if c.State != wire.Dialing {
					die(fmt.Errorf("refused: %s", c.Reason))
				}
			}
		})
	}
	wg.Wait()
}
