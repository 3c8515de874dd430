package stack

import (
	"fmt"
	"time"
)

// Progress tells whoever waits what the stack is doing.
type Progress struct {
	// Step is what it is about: postgres, temporal, vault or a child's name.
	Step string
	// Doing says what is done, e.g. "building vault 1.21.1".
	Doing string
	// Done of Total packages; Total is 0 where nothing is counted.
	Done, Total int
	// Elapsed since the step began, to be shown when above a second.
	Elapsed time.Duration
	// Finished marks the step's last message.
	Finished bool
}

// String is the line to show.
func (p Progress) String() string {
	line := p.Doing
	if p.Total > 0 && !p.Finished {
		line += fmt.Sprintf(": %d of %d packages", p.Done, p.Total)
	}
	if p.Elapsed >= time.Second {
		line += ", " + p.Elapsed.Round(time.Second).String()
	}
	return line
}

// reporter reports one step.
type reporter struct {
	step  string
	begin time.Time
	to    func(Progress)
}

func report(step string, to func(Progress)) *reporter {
	return &reporter{step: step, begin: time.Now(), to: to}
}

func (r *reporter) doing(format string, args ...any) {
	r.send(Progress{Doing: fmt.Sprintf(format, args...)})
}

func (r *reporter) finished(format string, args ...any) {
	r.send(Progress{Doing: fmt.Sprintf(format, args...), Finished: true})
}

func (r *reporter) send(p Progress) {
	if r.to == nil {
		return
	}
	p.Step, p.Elapsed = r.step, time.Since(r.begin)
	r.to(p)
}
