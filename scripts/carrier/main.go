// Command carrier is a telephone network for trying things out: it answers
// calls over SIP the way real carriers do, each number in its own way. Run
// with -help for the options, with -numbers for the numbers.
package main

import (
	"context"
	"crypto/tls"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"dialroom/scripts/carrier/audio"
	"dialroom/scripts/carrier/ua"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "carrier:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	var cfg ua.Config
	flags := flag.NewFlagSet("carrier", flag.ContinueOnError)
	flags.StringVar(&cfg.UDP, "udp", "127.0.0.1:5070", "`address` for SIP over UDP, port 0 for any, empty for none")
	flags.StringVar(&cfg.TCP, "tcp", "", "`address` for SIP over TCP, port 0 for any, empty for none")
	flags.StringVar(&cfg.MediaIP, "media-ip", "", "`address` for RTP; default: where SIP is")
	flags.StringVar(&cfg.User, "user", "demo", "user name that 607 wants")
	flags.StringVar(&cfg.Password, "password", "demo", "password that 607 wants")
	flags.StringVar(&cfg.RecordDir, "record", "", "`folder` to write what each call hears into, as WAV")
	codecs := flags.String("codecs", "PCMA,PCMU,G722", "codecs, most preferred first")
	flags.StringVar(&cfg.TLS, "tls", "", "`address` for SIP over TLS, port 0 for any, empty for none; see -cert")
	certificate := flags.String("cert", "", "PEM `file` with certificate and key for -tls")
	flags.StringVar(&cfg.SRTP, "srtp", "optional", "off, optional (if the caller offers it) or required")
	other := flags.String("other", "600", "`number` that every number not on the list behaves like")
	numbers := flags.Bool("numbers", false, "list the numbers and exit")
	verbose := flags.Bool("v", false, "log more")
	if err := flags.Parse(args); err != nil {
		if err == flag.ErrHelp {
			return nil
		}
		return err
	}
	if *numbers {
		for _, n := range ua.Numbers() {
			fmt.Printf("%s  %s\n", n.Number, n.Text)
		}
		return nil
	}
	for _, name := range strings.Split(*codecs, ",") {
		switch c := audio.Codec(strings.ToUpper(strings.TrimSpace(name))); c {
		case audio.PCMA, audio.PCMU, audio.G722:
			cfg.Codecs = append(cfg.Codecs, c)
		default:
			return fmt.Errorf("-codecs: expected PCMA, PCMU or G722, got %q", name)
		}
	}
	switch cfg.SRTP {
	case "off", "optional", "required":
	default:
		return fmt.Errorf("-srtp: expected off, optional or required, got %q", cfg.SRTP)
	}
	if cfg.TLS != "" {
		var err error
		if cfg.Certificate, err = tls.LoadX509KeyPair(*certificate, *certificate); err != nil {
			return fmt.Errorf("-cert: %w", err)
		}
	}
	cfg.Script = func(number string) ua.Script {
		for _, n := range ua.Numbers() {
			if n.Number == number {
				return ua.Demo(number)
			}
		}
		return ua.Demo(*other)
	}
	level := slog.LevelInfo
	if *verbose {
		level = slog.LevelDebug
	}
	cfg.Logger = slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: level}))

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	c, err := ua.Listen(cfg)
	if err != nil {
		return err
	}
	for _, transport := range []string{"udp", "tcp", "tls"} {
		if at := c.Addr(transport); at.IsValid() {
			// Read by programs that started us with port 0.
			fmt.Printf("listening %s %s\n", transport, at)
		}
	}
	<-ctx.Done()
	return c.Close()
}
