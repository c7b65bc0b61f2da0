package peer

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"crypto/x509"

	"github.com/pion/dtls/v3"
	"github.com/pion/logging"
	"github.com/pion/srtp/v3"
	"github.com/pion/transport/v5/packetio"
)

// handshakeTimeout bounds a DTLS handshake: long enough for a mobile network
// that wakes up, short enough that a half-open one does not linger.
const handshakeTimeout = 20 * time.Second

// replayWindow is how many packets back a duplicate of an SRTP packet is recognised.
const replayWindow = 512

// profiles in order of preference: AES-GCM costs half of AES-CM with SHA-1 where the processor has AES.
var profiles = []dtls.SRTPProtectionProfile{
	dtls.SRTP_AEAD_AES_128_GCM,
	dtls.SRTP_AEAD_AES_256_GCM,
	dtls.SRTP_AES128_CM_HMAC_SHA1_80,
}

var errFingerprint = errors.New("peer: the browser's certificate is not the one its offer named")

// dtlsConn lends a peer's path to the DTLS library: what it writes goes
// wherever the peer's packets go now, so a handshake survives a change of path.
type dtlsConn struct {
	records *packetio.Buffer
	peer    *Peer
}

func (c *dtlsConn) ReadFrom(b []byte) (int, net.Addr, error) {
	n, _, err := c.records.Read(b, nil)
	return n, c.LocalAddr(), err
}

func (c *dtlsConn) WriteTo(b []byte, _ net.Addr) (int, error) {
	if to := c.peer.path.Load(); to != nil {
		c.peer.write(to.path, b)
	}
	return len(b), nil
}

func (c *dtlsConn) LocalAddr() net.Addr               { return &net.UDPAddr{IP: net.IPv4zero} }
func (c *dtlsConn) Close() error                      { return c.records.Close() }
func (c *dtlsConn) SetDeadline(d time.Time) error     { return c.records.SetReadDeadline(d) }
func (c *dtlsConn) SetReadDeadline(d time.Time) error { return c.records.SetReadDeadline(d) }
func (c *dtlsConn) SetWriteDeadline(time.Time) error  { return nil }

// onDTLS queues a record for the handshake and starts that with the first one.
func (p *Peer) onDTLS(packet []byte) {
	p.handshake.Do(func() {
		p.dtls.records.SetLimitCount(64) // records; a handshake has a dozen
		p.running.Go(p.runDTLS)
	})
	_, _ = p.dtls.records.Write(packet, nil)
}

// runDTLS shakes hands, installs the keys, and then waits for the browser's farewell.
func (p *Peer) runDTLS() {
	conn, err := dtls.ServerWithOptions(p.dtls, p.dtls.LocalAddr(),
		dtls.WithCertificates(p.transport.certificate),
		dtls.WithSRTPProtectionProfiles(profiles...),
		dtls.WithClientAuth(dtls.RequireAnyClientCert),
		dtls.WithInsecureSkipVerify(true), // the fingerprint is what is verified (RFC 8122 §5)
		dtls.WithVerifyPeerCertificate(p.verify),
		dtls.WithExtendedMasterSecret(dtls.RequireExtendedMasterSecret),
		dtls.WithFlightInterval(200*time.Millisecond),
		dtls.WithInsecureSkipVerifyHello(true), // ICE has shown that the address is the browser's
		dtls.WithLoggerFactory(quiet{}),
	)
	if err != nil {
		p.log.Error("DTLS set-up failed", "error", err)
		p.fail()
		return
	}
	defer func() { _ = conn.Close() }()
	ctx, cancel := context.WithTimeout(p.ctx, handshakeTimeout)
	err = conn.HandshakeContext(ctx)
	cancel()
	if err == nil {
		err = p.install(conn)
	}
	if err != nil {
		if p.ctx.Err() == nil {
			p.log.Info("DTLS handshake failed", "error", err)
			p.fail()
		}
		return
	}
	p.setState(Connected)
	// No data is expected: a read ends with the browser's close_notify, or ours.
	buffer := make([]byte, 1500)
	for {
		if _, err := conn.Read(buffer); err != nil {
			if p.ctx.Err() == nil {
				p.fail()
			}
			return
		}
	}
}

// install derives both SRTP contexts from the handshake (RFC 5764 §4.2).
func (p *Peer) install(conn *dtls.Conn) error {
	selected, ok := conn.SelectedSRTPProtectionProfile()
	if !ok {
		return errors.New("peer: no common SRTP profile")
	}
	state, ok := conn.ConnectionState()
	if !ok {
		return errors.New("peer: no connection state")
	}
	cfg := srtp.Config{Profile: srtp.ProtectionProfile(selected)}
	if err := cfg.ExtractSessionKeysFromDTLS(&state, false); err != nil {
		return fmt.Errorf("peer: SRTP keys: %w", err)
	}
	in, err := srtp.CreateContext(cfg.Keys.RemoteMasterKey, cfg.Keys.RemoteMasterSalt, cfg.Profile,
		srtp.SRTPReplayProtection(replayWindow), srtp.SRTCPReplayProtection(replayWindow))
	if err != nil {
		return fmt.Errorf("peer: SRTP: %w", err)
	}
	out, err := srtp.CreateContext(cfg.Keys.LocalMasterKey, cfg.Keys.LocalMasterSalt, cfg.Profile)
	if err != nil {
		return fmt.Errorf("peer: SRTP: %w", err)
	}
	p.in.Lock()
	p.in.srtp = in
	p.in.Unlock()
	p.out.Lock()
	p.out.srtp = out
	p.out.Unlock()
	return nil
}

// verify accepts the certificate whose fingerprint the offer named (RFC 8122 §6.2).
func (p *Peer) verify(certificates [][]byte, _ [][]*x509.Certificate) error {
	if len(certificates) == 0 {
		return errFingerprint
	}
	got := fingerprintOf(certificates[0])
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, want := range p.fingerprints {
		if strings.EqualFold(want, got) {
			return nil
		}
	}
	return errFingerprint
}

// fingerprintOf returns the SHA-256 of a certificate as SDP writes it: colon-separated upper-case hex.
func fingerprintOf(der []byte) string {
	sum := sha256.Sum256(der)
	var b strings.Builder
	for i, octet := range sum {
		if i > 0 {
			b.WriteByte(':')
		}
		b.WriteString(strings.ToUpper(hex.EncodeToString([]byte{octet})))
	}
	return b.String()
}

// quiet drops the DTLS library's own log: failures come back as errors, and what
// strangers send must not fill a disk.
type quiet struct{}

func (quiet) NewLogger(string) logging.LeveledLogger { return quietLogger{} }

type quietLogger struct{}

func (quietLogger) Trace(string)          {}
func (quietLogger) Tracef(string, ...any) {}
func (quietLogger) Debug(string)          {}
func (quietLogger) Debugf(string, ...any) {}
func (quietLogger) Info(string)           {}
func (quietLogger) Infof(string, ...any)  {}
func (quietLogger) Warn(string)           {}
func (quietLogger) Warnf(string, ...any)  {}
func (quietLogger) Error(string)          {}
func (quietLogger) Errorf(string, ...any) {}
