package e2e

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"dialroom/scripts/carrier/audio"
	"dialroom/scripts/carrier/speech"
	"dialroom/scripts/carrier/ua"
	"dialroom/scripts/demo/stack"
	"dialroom/shared/config"
	"dialroom/shared/wire"
)

// proxyConfig is a proxy that stays in the path of the calls it routes, as
// those in front of carriers do: the number of the house goes to the bridge, all
// others to the carrier. A request in a dialog that does not follow the route
// set has no business here. Where the two sides differ in transport, the proxy
// records itself twice (RFC 5658), with r2=on.
const proxyConfig = `
debug=1
log_stderror=yes
log_prefix="proxy: "
children=2
tcp_children=2
auto_aliases=no
dns=no
rev_dns=no
listen=udp:%[1]s
listen=tcp:%[1]s
mpath="%[2]s/"
loadmodule "tm.so"
loadmodule "sl.so"
loadmodule "rr.so"
loadmodule "pv.so"
loadmodule "maxfwd.so"
loadmodule "siputils.so"
loadmodule "textops.so"
loadmodule "xlog.so"
request_route {
	if (!mf_process_maxfwd_header("10")) {
		sl_send_reply("483", "Too Many Hops");
		exit;
	}
	if (is_method("CANCEL")) {
		xlog("L_ALERT", "cancelled by $proto\n");
		t_relay_cancel();
		exit;
	}
	if (has_totag()) {
		if (!loose_route()) {
			if (is_method("ACK") && t_check_trans()) {
				t_relay();
				exit;
			}
			xlog("L_ALERT", "off the route: $rm\n");
			sl_send_reply("404", "Not Here");
			exit;
		}
		xlog("L_ALERT", "in the dialog: $rm by $proto\n");
		t_relay();
		exit;
	}
	if (t_lookup_request()) {
		exit;
	}
	record_route();
	if ($rU =~ "^.%[5]s..$") {
		$du = "sip:%[3]s";
	} else {
		$du = "sip:%[4]s";
	}
	t_relay();
}
`

// The house's numbers begin alike. At the first a caller is let in at once, at
// the second it rings until somebody comes.
const (
	houseDigits = "49301234"
	letsIn      = "+" + houseDigits + "00"
	rings       = "+" + houseDigits + "01"
)

// proxy is a Kamailio between bridge and carrier.
type proxy struct {
	addr string
	log  *logBook
}

// startProxy starts one; bridge and carrier are "host:port;transport=…".
func startProxy(t *testing.T, bridge, carrier string) *proxy {
	t.Helper()
	program, err := exec.LookPath("kamailio")
	if err != nil {
		t.Skip("there is no kamailio here")
	}
	modules, _ := filepath.Glob("/usr/lib/*/kamailio/modules")
	if len(modules) == 0 {
		t.Skip("kamailio's modules were not found")
	}
	p := &proxy{addr: fmt.Sprintf("127.0.0.1:%d", freeEither(t)), log: &logBook{}}
	dir := t.TempDir()
	file := filepath.Join(dir, "kamailio.cfg")
	text := fmt.Sprintf(proxyConfig, p.addr, modules[0], bridge, carrier, houseDigits)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	// -DD: not in the background; -m, -M: megabytes of shared and of each process's memory.
	process, err := stack.StartProcess("proxy", p.log, program, "-f", file, "-DD", "-E", "-m", "16", "-M", "4", "-w", dir, "-Y", dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		process.Stop()
		if t.Failed() {
			t.Logf("what the proxy said:\n%s", p.log)
		}
	})
	eventually(t, patience, "the proxy answers", func() bool { return answersOPTIONS(p.addr) })
	return p
}

// said reports whether the proxy has written this line.
func (p *proxy) said(line string) func() bool {
	return func() bool { return strings.Contains(p.log.String(), line) }
}

// A proxy in the path of every call, between every pair of transports: set-up,
// speech both ways, hold and resume, hang-up by either side, giving up while it
// rings, and calls that come in. Nothing in a dialog may miss the route.
func TestCallsThroughAProxyThatStaysInThePath(t *testing.T) {
	for _, c := range []struct {
		name            string
		bridge, carrier string // transports
	}{
		{"UDP all the way", "udp", "udp"},
		{"TCP from the bridge, UDP at the carrier", "tcp", "udp"},
		{"UDP from the bridge, TCP at the carrier", "udp", "tcp"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel() // they mostly wait
			carrierAt := fmt.Sprintf("127.0.0.1:%d", freeEither(t))
			var between *proxy
			w := newWorld(t, options{
				transport: c.bridge,
				carrier:   func(cfg *ua.Config) { cfg.UDP, cfg.TCP = carrierAt, carrierAt },
				settings: func(cfg *config.Config) {
					patient(cfg)
					between = startProxy(t, cfg.Bridge.SIP.UDP+";transport="+c.bridge, carrierAt+";transport="+c.carrier)
					cfg.Trunks[0].Host = between.addr
					cfg.Numbers = []config.Number{
						{Number: letsIn, Room: "house", Waiting: config.WaitingAnnounce},
						{Number: rings, Room: "nobody", Wait: time.Minute},
					}
				},
			})
			follow := &followed{w, between, c.bridge, c.carrier}
			var began time.Time
			changes := c.bridge != c.carrier
			if changes { // the harder case is enough to wait for
				began = follow.session()
			}
			follow.speech()
			follow.hold()
			follow.carrierHangsUp()
			follow.bridgeHangsUp()
			follow.bridgeGivesUp()
			follow.carrierGivesUp()
			follow.callsIn()
			if changes {
				follow.refreshed(began)
			}
			follow.stops()
			if between.said("off the route")() {
				t.Error("something has left the route")
			}
		})
	}
}

// followed is a world with a proxy in the middle.
type followed struct {
	*world
	proxy           *proxy
	bridge, carrier string // transports
}

// speech: two phones hear each other, and one its own echo.
func (f *followed) speech() {
	f.Helper()
	f.place("601", "one")
	f.place("600", "one")
	c := f.call("601", 0)
	atLeastOnce(f, func() []string {
		from := len(c.Heard().PCM())
		eventually(f, patience, "the phone has heard its own echo for seven seconds", func() bool {
			return len(c.Heard().PCM()) > from+7*audio.Rate
		})
		return unfollowed(f, "the carrier's phone", speech.Greeting(), c.Heard().PCM()[from:])
	})
	f.passed("in the dialog: ACK by " + f.bridge)
	// Two entries where the transport changes, one where it does not.
	if route := c.Header("Record-Route"); strings.Contains(route, "r2=on") != (f.bridge != f.carrier) || !strings.Contains(route, "lr") {
		f.Errorf("the proxy has recorded itself as %s", route)
	}
}

// passed waits for the proxy to write a line.
func (f *followed) passed(line string) {
	f.Helper()
	eventually(f, patience, "the proxy says "+line, f.proxy.said(line))
}

// session begins a call whose session has to be refreshed from our side.
func (f *followed) session() (began time.Time) {
	f.Helper()
	f.place("613", "long")
	f.event(patience, "ACK", "613")
	return time.Now()
}

// refreshed: that has been done in time, by the way of the call, and the call goes on.
func (f *followed) refreshed(began time.Time) {
	f.Helper()
	c := f.call("613", 0)
	eventually(f, refreshAfter-time.Since(began)+patience, "the session is refreshed", func() bool {
		return f.world.carrier.Count("UPDATE")+f.world.carrier.Count("REINVITE") > 0
	})
	f.passed("in the dialog: UPDATE by " + f.bridge)
	if wait := time.Since(began); wait < refreshAfter-5*time.Second {
		f.Errorf("it was refreshed after %v already", wait)
	}
	before := c.Media().Stats().Received
	eventually(f, patience, "the phone hears the room still", func() bool { return c.Media().Stats().Received > before+50 })
}

// refreshAfter is half of the shortest session interval (RFC 4028 §4, §7.4).
const refreshAfter = 45 * time.Second

// hold: a re-INVITE of the far side, there and back.
func (f *followed) hold() {
	f.Helper()
	c := f.call("600", 0)
	for _, direction := range []string{"sendonly", "sendrecv"} {
		if status, err := c.Reoffer(direction); err != nil || status != 200 {
			f.Errorf("%s: %d, %v", direction, status, err)
		}
	}
	f.passed("in the dialog: INVITE by " + f.carrier)
	before := c.Media().Stats().Received
	eventually(f, patience, "the phone hears the room again", func() bool { return c.Media().Stats().Received > before+50 })
}

func (f *followed) carrierHangsUp() {
	f.Helper()
	f.call("600", 0).Hangup()
	eventually(f, patience, "the bridge knows it", func() bool { return strings.Contains(f.log.String(), "reason=hangup-phone") })
	f.passed("in the dialog: BYE by " + f.carrier)
}

func (f *followed) bridgeHangsUp() {
	f.Helper()
	id := f.place("605", "two")
	f.event(patience, "ACK", "605")
	f.drop(id)
	f.event(patience, "BYE", "605")
	f.passed("in the dialog: BYE by " + f.bridge)
}

func (f *followed) bridgeGivesUp() {
	f.Helper()
	id := f.place("603", "three")
	eventually(f, patience, "it rings", func() bool { return f.callState(id) == wire.Ringing })
	f.drop(id)
	f.event(patience, "CANCEL", "603")
	f.passed("cancelled by " + f.bridge)
}

// carrierGivesUp: somebody calls the house and hangs up while it rings there.
func (f *followed) carrierGivesUp() {
	f.Helper()
	phone := newDesk(f.world)
	phone.at, phone.over = f.proxy.addr, f.carrier
	// The proxy's 200 to the CANCEL and the 487 of the house come in any order.
	phone.play("call_gives_up", rings, "-default_behaviors", "all,-abortunexp")
	f.passed("cancelled by " + f.carrier)
}

// comes is a call to a number of the house.
func (f *followed) comes() *ua.Call {
	f.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	c, err := f.world.carrier.Dial(ctx, f.carrier, netip.MustParseAddrPort(f.proxy.addr), "+4989654321", letsIn, talking)
	if err != nil {
		f.Fatal(err)
	}
	return c
}

// callsIn: the carrier calls a number of the house and hears that it has to
// wait, while the phone in the room hears it; then it hangs up.
func (f *followed) callsIn() {
	f.Helper()
	f.place("601", "house")
	c, phone := f.comes(), f.call("601", 1)
	atLeastOnce(f, func() []string {
		caller, called := len(c.Heard().PCM()), len(phone.Heard().PCM())
		eventually(f, patience, "both have listened for eleven seconds", func() bool {
			return len(c.Heard().PCM()) > caller+11*audio.Rate && len(phone.Heard().PCM()) > called+11*audio.Rate
		})
		problems := unfollowed(f, "the phone in the room", speech.Greeting(), phone.Heard().PCM()[called:])
		return append(problems, unfollowed(f, "the caller", waitPrompt(f), c.Heard().PCM()[caller:])...)
	})
	ended := strings.Count(f.log.String(), "reason=hangup-phone")
	c.Hangup()
	eventually(f, patience, "the bridge knows it", func() bool {
		return strings.Count(f.log.String(), "reason=hangup-phone") > ended
	})
}

// stops: who is in a call when the house goes down is hung up on.
func (f *followed) stops() {
	f.Helper()
	c := f.comes()
	f.stack.Stop()
	select {
	case <-c.Done():
	case <-time.After(patience):
	}
	if c.Ending() != "BYE" {
		f.Errorf("the caller was not hung up on: %q", c.Ending())
	}
}

// talking is somebody who talks without end.
func talking(ctx context.Context, c *ua.Call) {
	for ctx.Err() == nil {
		<-c.Media().Play(speech.Greeting())
	}
}

// waitPrompt is what callers hear while nobody is there, with the pause after it.
func waitPrompt(t testing.TB) []int16 {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(prepared.root, "bridge", "leg", "prompts", "wait.pcma"))
	if err != nil {
		t.Fatal(err)
	}
	return append(audio.PCMA.Decode(nil, raw), make([]int16, 6*audio.Rate)...)
}

// freeEither is a port that is free for UDP and for TCP.
func freeEither(t *testing.T) int {
	t.Helper()
	for range 100 {
		port := freePort(t)
		ln, err := net.Listen("tcp4", fmt.Sprintf("127.0.0.1:%d", port))
		if err == nil {
			_ = ln.Close()
			return port
		}
	}
	t.Fatal("no port is free for both")
	return 0
}

// answersOPTIONS reports whether somebody speaks SIP there.
func answersOPTIONS(addr string) bool {
	conn, err := net.Dial("udp", addr)
	if err != nil {
		return false
	}
	defer conn.Close()
	me := conn.LocalAddr()
	text := fmt.Sprintf("OPTIONS sip:%s SIP/2.0\r\nVia: SIP/2.0/UDP %s;branch=z9hG4bK%d;rport\r\nFrom: <sip:test@%s>;tag=1\r\nTo: <sip:%s>\r\n"+
		"Call-ID: %d\r\nCSeq: 1 OPTIONS\r\nMax-Forwards: 0\r\nContent-Length: 0\r\n\r\n", addr, me, time.Now().UnixNano(), me, addr, time.Now().UnixNano())
	_ = conn.SetDeadline(time.Now().Add(300 * time.Millisecond))
	if _, err := conn.Write([]byte(text)); err != nil {
		return false
	}
	n, err := conn.Read(make([]byte, 2000))
	return err == nil && n > 0
}
