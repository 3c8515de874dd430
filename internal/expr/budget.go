package expr

import (
	"fmt"
)

// failure is how the inside of an evaluation stops; Evaluate turns it into an *EvalError where it happened.
type failure struct {
	msg   string
	limit string
	cause error
}

func throw(msg string) { panic(failure{msg: msg}) }

func throwf(format string, args ...any) { panic(failure{msg: fmt.Sprintf(format, args...)}) }

func exceeded(limit string, configured int) {
	panic(failure{msg: fmt.Sprintf("evaluation exceeded the %s limit of %d", limit, configured), limit: limit})
}

// charge accounts for one step at a depth.
func (ev *evaluator) charge(depth int) {
	if depth > maxNesting {
		exceeded(limitNesting, maxNesting)
	}
	ev.work()
}

// work accounts for one step. A nil evaluator has no budget: its values are already bounded.
func (ev *evaluator) work() { ev.workUnits(1) }

func (ev *evaluator) workUnits(n int) {
	if ev == nil {
		return
	}
	ev.spent += n
	if ev.spent > ev.most {
		exceeded(limitWork, ev.most)
	}
	if ev.spent >= ev.nextCheck {
		ev.nextCheck = ev.spent + contextCheckWork
		ev.checkContext()
	}
}

func (ev *evaluator) checkContext() {
	if err := ev.ctx.Err(); err != nil {
		panic(failure{msg: "evaluation was stopped: " + err.Error(), limit: limitDeadline, cause: err})
	}
}

// chargeText accounts for walking a text.
func (ev *evaluator) chargeText(size int) {
	if size >= textPerWork {
		ev.workUnits(size / textPerWork)
	}
}

// boundText refuses texts that would not fit the scratch memory of one evaluation.
func (ev *evaluator) boundText(size int) {
	if ev == nil {
		return
	}
	if size > maxScratchBytes {
		exceeded(limitScratch, maxScratchBytes)
	}
	ev.chargeText(size)
}

// output accounts for rendered text.
func (ev *evaluator) output(units int) {
	if ev.outputUnits += units; ev.outputUnits > maxOutputUnits {
		exceeded(limitOutput, maxOutputUnits)
	}
}

// scratch accounts for the values that go into a filter or method.
func (ev *evaluator) scratch(values ...any) {
	size := 0
	for _, v := range values {
		if size += ev.size(v, 0); size > maxScratchBytes {
			exceeded(limitScratch, maxScratchBytes)
		}
	}
	ev.chargeText(size)
}

func (ev *evaluator) size(v any, depth int) int {
	if depth > maxValueDepth {
		throw("Template value nesting cannot exceed 256 levels")
	}
	size := 0
	switch v := v.(type) {
	case string:
		return len(v)
	case *safeText:
		return len(v.text)
	case *array:
		for _, item := range v.items {
			ev.work()
			size += ev.size(item, depth+1)
		}
	case []any:
		for _, item := range v {
			ev.work()
			size += ev.size(item, depth+1)
		}
	case *Object:
		for k, item := range v.All() {
			ev.work()
			size += len(k) + ev.size(item, depth+1)
		}
	default:
		return 8
	}
	return size
}

// reserve accounts for n items that are about to be made.
func (ev *evaluator) reserve(n float64) int {
	if n != n || n < 0 {
		throw("Array-like record length exceeds the supported range")
	}
	if n > float64(ev.most-ev.spent) {
		exceeded(limitWork, ev.most)
	}
	ev.spent += int(n)
	return int(n)
}
