package stack

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Process is a child of ours.
type Process struct {
	Name string

	// fixed after StartProcess
	cmd   *exec.Cmd
	done  chan struct{}
	lines chan string // standard output, the first few lines

	// set before done is closed
	err error

	// guarded by mu
	mu   sync.Mutex
	tail []string
}

// tailLines is how many lines are kept to say why a process died.
const tailLines = 12

// lastWords is how long what an ended process printed is still awaited. A child
// of its own that outlives it holds its output open for as long as it lives.
const lastWords = time.Second

// StartProcess starts a program. Every line it prints goes to log with its
// name before it. It does not get the terminal's Ctrl-C: its parent decides
// when and in which order things end. It ends when its parent does, where the
// system offers that.
func StartProcess(name string, log io.Writer, path string, args ...string) (*Process, error) {
	p := &Process{Name: name, cmd: exec.Command(path, args...), done: make(chan struct{}), lines: make(chan string, 16)}
	out, diag := &lineWriter{line: p.said(log, p.lines)}, &lineWriter{line: p.said(log, nil)}
	p.cmd.Stdout, p.cmd.Stderr = out, diag
	p.cmd.SysProcAttr = childAttributes()
	p.cmd.WaitDelay = lastWords
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting %s: %w", name, err)
	}
	go func() {
		p.err = p.cmd.Wait() // nothing is written to out and diag from here on
		out.flush()
		diag.flush()
		close(p.lines)
		close(p.done)
	}()
	return p, nil
}

// said returns what happens to each line of one of the two outputs.
func (p *Process) said(log io.Writer, to chan<- string) func(line string) {
	return func(line string) {
		if line = strings.TrimRight(line, "\r"); line == "" {
			return
		}
		p.keep(line)
		if log != nil {
			_, _ = fmt.Fprintf(log, "%-7s| %s\n", p.Name, line)
		}
		select {
		case to <- line: // never ready when nobody reads, or nil
		default:
		}
	}
}

// lineWriter calls line for every whole line written to it.
type lineWriter struct {
	line func(string)
	part []byte // of a line that has not ended yet
}

func (l *lineWriter) Write(b []byte) (int, error) {
	n := len(b)
	for {
		line, rest, ended := bytes.Cut(b, []byte{'\n'})
		l.part = append(l.part, line...)
		if !ended {
			return n, nil
		}
		l.flush()
		b = rest
	}
}

// flush takes what is there for a line.
func (l *lineWriter) flush() {
	l.line(string(l.part))
	l.part = l.part[:0]
}

func (p *Process) keep(line string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.tail = append(p.tail, line)
	if len(p.tail) > tailLines {
		p.tail = p.tail[1:]
	}
}

// Lines returns the first lines of standard output; closed when it ends.
func (p *Process) Lines() <-chan string { return p.lines }

// Done is closed when the process has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// PID returns the process id.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Failure returns how the process ended and what it said last. Call it after Done.
func (p *Process) Failure() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	err := p.err
	if err == nil {
		err = errors.New("it ended by itself")
	}
	return fmt.Errorf("%w\n    %s", err, strings.Join(p.tail, "\n    "))
}

// Signal sends a signal; an ended process ignores it.
func (p *Process) Signal(sig os.Signal) { _ = p.cmd.Process.Signal(sig) }

// Kill ends the process and those it started, without a word (SIGKILL), and
// waits for it.
func (p *Process) Kill() {
	select {
	case <-p.done: // its number may be somebody else's by now
	default:
		_ = syscall.Kill(-p.PID(), syscall.SIGKILL) // its process group
		<-p.done
	}
}

// Patience with a process that was asked to end. The first SIGTERM lets calls
// go on, the second hangs them up within two seconds.
const (
	firstAsk  = 700 * time.Millisecond
	secondAsk = 4 * time.Second
)

// Stop asks the process to end, asks again, then kills it.
func (p *Process) Stop() {
	for _, patience := range []time.Duration{firstAsk, secondAsk} {
		p.Signal(syscall.SIGTERM)
		timer := time.NewTimer(patience)
		select {
		case <-p.done:
			timer.Stop()
			return
		case <-timer.C:
		}
	}
	p.Kill()
}
