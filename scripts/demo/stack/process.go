package stack

import (
	"bufio"
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

// StartProcess starts a program. Every line it prints goes to log with its
// name before it. It does not get the terminal's Ctrl-C: its parent decides
// when and in which order things end. It ends when its parent does, where the
// system offers that.
func StartProcess(name string, log io.Writer, path string, args ...string) (*Process, error) {
	cmd := exec.Command(path, args...)
	cmd.SysProcAttr = childAttributes()
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	diag, err := cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting %s: %w", name, err)
	}
	p := &Process{Name: name, cmd: cmd, done: make(chan struct{}), lines: make(chan string, 16)}
	var reading sync.WaitGroup
	reading.Go(func() { p.copy(log, out, p.lines) })
	reading.Go(func() { p.copy(log, diag, nil) })
	go func() {
		reading.Wait()
		close(p.lines)
		p.err = cmd.Wait()
		close(p.done)
	}()
	return p, nil
}

func (p *Process) copy(log io.Writer, from io.Reader, to chan<- string) {
	lines := bufio.NewReader(from)
	for {
		line, err := lines.ReadString('\n')
		if line = strings.TrimRight(line, "\r\n"); line != "" {
			p.keep(line)
			if log != nil {
				_, _ = fmt.Fprintf(log, "%-7s| %s\n", p.Name, line)
			}
			select {
			case to <- line: // never ready when nobody reads, or nil
			default:
			}
		}
		if err != nil {
			return
		}
	}
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

// Kill ends the process without a word (SIGKILL) and waits for it.
func (p *Process) Kill() {
	_ = p.cmd.Process.Kill()
	<-p.done
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
