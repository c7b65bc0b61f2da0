// Package browser is a browser without a screen: it joins a room over the
// WebSocket, makes the same offer as the page, sends sound when the room wants
// it and hands on what it hears.
//
// One [Browser] is one participant. It connects with [Join]; from then on the
// server's messages arrive on one goroutine, sound on one per slot, and sound
// is sent by whoever calls [Browser.SendPhone] and [Browser.SendMic]. It draws
// nothing, decodes nothing, and does not reconnect: the load generator counts
// what goes wrong.
package browser

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"
	"github.com/pion/logging"
	"github.com/pion/rtp"
	"github.com/pion/webrtc/v4"
)

// Slots is how many streams a browser can receive of each kind, as the page has them.
type Slots struct{ Voice, Phone int }

// Options is how a browser behaves.
type Options struct {
	URL   string // of the pages, "http://localhost:8080"
	Room  string
	Name  string
	Slots Slots

	// OnMessage gets every message of the server, raw. It must not block.
	OnMessage func(kind string, raw []byte)
	// OnRTP gets every packet of a slot. It must not block.
	OnRTP func(mimeType string, p *rtp.Packet, at time.Time)
}

// Browser is one participant.
type Browser struct {
	ID string // participant id, set by Join

	// fixed after Join
	opt    Options
	ws     *websocket.Conn
	pc     *webrtc.PeerConnection
	mic    *outgoing
	phone  *outgoing
	cancel context.CancelFunc
	wg     sync.WaitGroup

	connected chan struct{}
	wantPhone atomic.Pointer[string]
	wantMic   atomic.Bool
	closed    atomic.Bool
}

// outgoing is one sending m-line.
type outgoing struct {
	track  *webrtc.TrackLocalStaticRTP
	sender *webrtc.RTPSender

	// owned by whoever sends
	seq       uint16
	timestamp uint32
	level     uint8 // id of the audio level extension, 0 when not negotiated
	known     bool
}

// audioLevel is RFC 6464.
const audioLevel = "urn:ietf:params:rtp-hdrext:ssrc-audio-level"

// joinTimeout is how long joining may take before it counts as failed.
const joinTimeout = 20 * time.Second

// Network is what browsers share so that a hundred of them cost little: codecs
// and ICE settings.
type Network struct{ api *webrtc.API }

// NewNetwork makes one.
func NewNetwork() (*Network, error) {
	var media webrtc.MediaEngine
	for _, c := range []webrtc.RTPCodecParameters{
		{RTPCodecCapability: opus(), PayloadType: 111},
		{RTPCodecCapability: g711(webrtc.MimeTypePCMU), PayloadType: 0},
		{RTPCodecCapability: g711(webrtc.MimeTypePCMA), PayloadType: 8},
	} {
		if err := media.RegisterCodec(c, webrtc.RTPCodecTypeAudio); err != nil {
			return nil, err
		}
	}
	if err := media.RegisterHeaderExtension(webrtc.RTPHeaderExtensionCapability{URI: audioLevel}, webrtc.RTPCodecTypeAudio); err != nil {
		return nil, err
	}
	var setting webrtc.SettingEngine
	setting.SetIncludeLoopbackCandidate(true)
	setting.SetHostAcceptanceMinWait(0) // the first pair that works is good enough
	setting.SetNetworkTypes([]webrtc.NetworkType{webrtc.NetworkTypeUDP4})
	setting.LoggerFactory = &logging.DefaultLoggerFactory{DefaultLogLevel: logging.LogLevelDisabled}
	// No interceptors: nothing is asked for again and no reports are made.
	return &Network{api: webrtc.NewAPI(webrtc.WithMediaEngine(&media), webrtc.WithSettingEngine(setting))}, nil
}

func opus() webrtc.RTPCodecCapability {
	return webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeOpus, ClockRate: 48000, Channels: 2, SDPFmtpLine: "minptime=10;useinbandfec=1"}
}

func g711(mime string) webrtc.RTPCodecCapability {
	return webrtc.RTPCodecCapability{MimeType: mime, ClockRate: 8000, Channels: 1}
}

// Join connects and returns when media can flow.
func (n *Network) Join(ctx context.Context, opt Options) (*Browser, error) {
	ctx, cancelJoin := context.WithTimeout(ctx, joinTimeout)
	defer cancelJoin()
	header := http.Header{"Origin": {opt.URL}}
	ws, res, err := websocket.Dial(ctx, strings.Replace(opt.URL, "http", "ws", 1)+"/ws", &websocket.DialOptions{HTTPHeader: header})
	if err != nil {
		return nil, fmt.Errorf("WebSocket: %w", err)
	}
	if res != nil && res.Body != nil {
		res.Body.Close()
	}
	ws.SetReadLimit(1 << 20)
	b := &Browser{opt: opt, ws: ws, connected: make(chan struct{})}
	if err := b.open(n.api); err != nil {
		ws.CloseNow()
		return nil, err
	}
	run, cancel := context.WithCancel(context.Background())
	b.cancel = cancel
	failed := make(chan error, 1)
	welcome := make(chan string, 1)
	b.wg.Go(func() { failed <- b.readLoop(run, welcome) })
	err = b.offer(ctx)
	if err == nil {
		err = b.settle(ctx, failed, welcome)
	}
	if err != nil {
		b.Close()
		return nil, err
	}
	return b, nil
}

// settle waits for welcome and for the connection.
func (b *Browser) settle(ctx context.Context, failed <-chan error, welcome <-chan string) error {
	var connected <-chan struct{} = b.connected
	for b.ID == "" || connected != nil {
		select {
		case b.ID = <-welcome:
		case <-connected:
			connected = nil
		case err := <-failed:
			return fmt.Errorf("joining: %w", err)
		case <-ctx.Done():
			return fmt.Errorf("joining: %w (ICE is %s)", ctx.Err(), b.pc.ICEConnectionState())
		}
	}
	return nil
}

// open makes the PeerConnection of the page: two ways of sending the
// microphone, and slots.
func (b *Browser) open(api *webrtc.API) (err error) {
	if b.pc, err = api.NewPeerConnection(webrtc.Configuration{BundlePolicy: webrtc.BundlePolicyMaxBundle}); err != nil {
		return err
	}
	var once sync.Once
	b.pc.OnConnectionStateChange(func(s webrtc.PeerConnectionState) {
		if s == webrtc.PeerConnectionStateConnected {
			once.Do(func() { close(b.connected) })
		}
	})
	b.pc.OnTrack(func(t *webrtc.TrackRemote, _ *webrtc.RTPReceiver) { b.hear(t) })
	if b.mic, err = b.publish(opus(), "mic"); err != nil {
		return err
	}
	if b.phone, err = b.publish(g711(webrtc.MimeTypePCMA), "phone"); err != nil {
		return err
	}
	if err := b.receive(b.opt.Slots.Voice, opus()); err != nil {
		return err
	}
	return b.receive(b.opt.Slots.Phone, g711(webrtc.MimeTypePCMA), g711(webrtc.MimeTypePCMU))
}

func (b *Browser) publish(codec webrtc.RTPCodecCapability, id string) (*outgoing, error) {
	track, err := webrtc.NewTrackLocalStaticRTP(codec, id, "browser")
	if err != nil {
		return nil, err
	}
	tr, err := b.pc.AddTransceiverFromTrack(track, webrtc.RTPTransceiverInit{Direction: webrtc.RTPTransceiverDirectionSendonly})
	if err != nil {
		return nil, err
	}
	if err := tr.SetCodecPreferences([]webrtc.RTPCodecParameters{{RTPCodecCapability: codec, PayloadType: payloadType(codec)}}); err != nil {
		return nil, err
	}
	return &outgoing{track: track, sender: tr.Sender()}, nil
}

func (b *Browser) receive(n int, codecs ...webrtc.RTPCodecCapability) error {
	var list []webrtc.RTPCodecParameters
	for _, c := range codecs {
		list = append(list, webrtc.RTPCodecParameters{RTPCodecCapability: c, PayloadType: payloadType(c)})
	}
	for range n {
		tr, err := b.pc.AddTransceiverFromKind(webrtc.RTPCodecTypeAudio, webrtc.RTPTransceiverInit{Direction: webrtc.RTPTransceiverDirectionRecvonly})
		if err != nil {
			return err
		}
		if err := tr.SetCodecPreferences(list); err != nil {
			return err
		}
	}
	return nil
}

func payloadType(c webrtc.RTPCodecCapability) webrtc.PayloadType {
	switch c.MimeType {
	case webrtc.MimeTypePCMU:
		return 0
	case webrtc.MimeTypePCMA:
		return 8
	}
	return 111
}

// offer sends join and the offer at once, as the page does.
func (b *Browser) offer(ctx context.Context) error {
	if err := b.Send(ctx, map[string]any{"type": "join", "room": b.opt.Room, "name": b.opt.Name}); err != nil {
		return err
	}
	offer, err := b.pc.CreateOffer(nil)
	if err != nil {
		return err
	}
	if err := b.pc.SetLocalDescription(offer); err != nil {
		return err
	}
	tracks := map[string]string{}
	for _, tr := range b.pc.GetTransceivers() {
		if s := tr.Sender(); s != nil && s.Track() != nil {
			tracks[tr.Mid()] = s.Track().ID()
		}
	}
	// Candidates are not waited for: the server learns ours from the first check it gets.
	return b.Send(ctx, map[string]any{"type": "offer", "sdp": b.pc.LocalDescription().SDP, "tracks": tracks})
}

// Send sends one message to the server.
func (b *Browser) Send(ctx context.Context, message any) error {
	raw, err := json.Marshal(message)
	if err != nil {
		return err
	}
	return b.ws.Write(ctx, websocket.MessageText, raw)
}

// message is what of a server message the browser itself acts on.
type message struct {
	Type  string          `json:"type"`
	ID    string          `json:"id"`
	SDP   string          `json:"sdp"`
	Mic   bool            `json:"mic"`
	Phone json.RawMessage `json:"phone"`
	Code  string          `json:"code"`
	Text  string          `json:"text"`
}

var errServer = errors.New("the server refused a message")

func (b *Browser) readLoop(ctx context.Context, welcome chan<- string) error {
	for {
		_, raw, err := b.ws.Read(ctx)
		if err != nil {
			return err
		}
		var m message
		if err := json.Unmarshal(raw, &m); err != nil {
			return fmt.Errorf("message of the server: %w", err)
		}
		switch m.Type {
		case "welcome":
			select {
			case welcome <- m.ID:
			default:
			}
		case "answer":
			if err := b.pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeAnswer, SDP: m.SDP}); err != nil {
				return fmt.Errorf("answer: %w", err)
			}
		case "send":
			b.wantMic.Store(m.Mic)
			var codec string
			_ = json.Unmarshal(m.Phone, &codec) // false stays ""
			b.wantPhone.Store(&codec)
		case "error":
			return fmt.Errorf("%w: %s (%s)", errServer, m.Text, m.Code)
		}
		if b.opt.OnMessage != nil {
			b.opt.OnMessage(m.Type, raw)
		}
	}
}

// hear reads one slot until the connection closes.
func (b *Browser) hear(t *webrtc.TrackRemote) {
	mime := t.Codec().MimeType
	for {
		p, _, err := t.ReadRTP()
		if err != nil {
			return
		}
		if b.opt.OnRTP != nil {
			b.opt.OnRTP(mime, p, time.Now())
		}
	}
}

// Room returns the room the browser joined.
func (b *Browser) Room() string { return b.opt.Room }

// WantsPhone reports whether the room wants the phone rendition, and that in
// PCMA, the only codec a browser of this package sends it in.
func (b *Browser) WantsPhone() bool {
	codec := b.wantPhone.Load()
	return codec != nil && *codec == "PCMA"
}

// WantsMic reports whether the room wants the Opus rendition.
func (b *Browser) WantsMic() bool { return b.wantMic.Load() }

// SendPhone sends 20 ms of PCMA. level is in -dBov (RFC 6464). Calls must not overlap.
func (b *Browser) SendPhone(payload []byte, level uint8) error {
	return b.phone.send(8, payload, 160, level)
}

// SendMic sends 20 ms of Opus. Calls must not overlap.
func (b *Browser) SendMic(payload []byte, level uint8) error {
	return b.mic.send(111, payload, 960, level)
}

// Skip lets 20 ms pass in which nothing is sent.
func (b *Browser) Skip() {
	b.phone.timestamp += 160
	b.mic.timestamp += 960
}

func (o *outgoing) send(pt uint8, payload []byte, samples uint32, level uint8) error {
	if !o.known {
		o.known = true
		for _, e := range o.sender.GetParameters().HeaderExtensions {
			if e.URI == audioLevel {
				o.level = uint8(e.ID)
			}
		}
	}
	p := rtp.Packet{
		Header:  rtp.Header{Version: 2, PayloadType: pt, SequenceNumber: o.seq, Timestamp: o.timestamp},
		Payload: payload,
	}
	if o.level != 0 {
		if err := p.SetExtension(o.level, []byte{level & 0x7f}); err != nil {
			return err
		}
	}
	o.seq++
	o.timestamp += samples
	return o.track.WriteRTP(&p)
}

// Close leaves without a word more than the protocol asks for.
func (b *Browser) Close() {
	if !b.closed.CompareAndSwap(false, true) {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = b.Send(ctx, map[string]any{"type": "leave"})
	_ = b.pc.Close()
	b.cancel()
	_ = b.ws.CloseNow()
	b.wg.Wait()
}
