// Package oracle answers templates as Backstage's own engine does, so that tests and benchmarks can hold this project's
// implementation against it. Nothing of the product imports it.
package oracle

import (
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"time"

	"github.com/dop251/goja"
)

//go:embed nunjitsu/nunjitsu.js
var bundle string

//go:embed nunjitsu/driver.js
var driver string

//go:embed nunjitsu/url.js
var url string

// Modes of a case: a step value, a step value under the typing rule of Backstage up to 4.0.2, or a file.
const (
	Value  = ""
	Legacy = "legacy"
	Render = "render"
)

// Options of the renderer, to be added up.
const (
	Cookiecutter = 1 << iota
	TrimBlocks
	LstripBlocks
)

// Case is a template to answer.
type Case struct {
	Src     string `json:"s"`
	Mode    string `json:"m,omitempty"`
	Options int    `json:"o,omitempty"`
}

// Answer is a value or an error. Value is spelled as JSON with four more words: undefined, NaN, Infinity, -0.
type Answer struct {
	Value        string `json:"v"`
	Error        string `json:"e"`
	Syntax       bool   `json:"x"`
	Line, Column int
	// Limit says that the budget of the evaluation ran out.
	Limit bool `json:"b"`
}

// UnmarshalJSON reads what the driver writes.
func (a *Answer) UnmarshalJSON(data []byte) error {
	type fields Answer
	var in struct {
		fields
		L int `json:"l"`
		C int `json:"c"`
	}
	if err := json.Unmarshal(data, &in); err != nil {
		return err
	}
	*a = Answer(in.fields)
	a.Line, a.Column = in.L, in.C
	return nil
}

// World is what all the cases of an engine share.
type World struct {
	// Vars are the variables, a JSON object.
	Vars json.RawMessage `json:"vars"`
	// WorkUnits replaces the usual budget of an evaluation; 0 is the usual.
	WorkUnits int `json:"workUnits,omitempty"`
}

// An Engine answers cases in the world that it was made with. It serves one goroutine.
type Engine interface {
	Answers(ctx context.Context, cases []Case) ([]Answer, error)
	Close() error
}

// perCase is what one case may take where there is no engine to stop it by itself.
const perCase = 5 * time.Second

type embedded struct {
	vm     *goja.Runtime
	answer goja.Callable
}

// Embedded is the engine within this process, whose error texts of JavaScript itself are not Node's.
func Embedded(world World) (Engine, error) {
	vm := goja.New()
	for name, source := range map[string]string{"nunjitsu.js": bundle, "driver.js": driver, "url.js": url} {
		if _, err := vm.RunScript(name, source); err != nil {
			return nil, fmt.Errorf("loading %s: %w", name, err)
		}
	}
	text, err := json.Marshal(world)
	if err != nil {
		return nil, err
	}
	if err := vm.Set("world", string(text)); err != nil {
		return nil, err
	}
	made, err := vm.RunString("const answerOf = oracle(JSON.parse(world)); text => JSON.stringify(answerOf(JSON.parse(text)))")
	if err != nil {
		return nil, err
	}
	answer, ok := goja.AssertFunction(made)
	if !ok {
		return nil, fmt.Errorf("the driver gave %v instead of a function", made)
	}
	return &embedded{vm, answer}, nil
}

func (e *embedded) Answers(ctx context.Context, cases []Case) ([]Answer, error) {
	out := make([]Answer, len(cases))
	for i, c := range cases {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		request, err := json.Marshal(c)
		if err != nil {
			return nil, err
		}
		timer := time.AfterFunc(perCase, func() { e.vm.Interrupt("took too long") })
		answered, err := e.answer(goja.Undefined(), e.vm.ToValue(string(request)))
		timer.Stop()
		e.vm.ClearInterrupt()
		if err != nil {
			out[i] = Answer{Error: err.Error(), Limit: true}
			continue
		}
		if err := json.Unmarshal([]byte(answered.String()), &out[i]); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (e *embedded) Close() error { return nil }
