package conform

import (
	"fmt"
	"strconv"
	"time"

	"github.com/dlclark/regexp2/v2"
)

// jsPattern is a JavaScript regular expression. Forms use lookahead, which Go's own engine lacks.
type jsPattern struct{ re *regexp2.Regexp }

// patternTime bounds one match: the engine backtracks, and patterns and values come from people.
const patternTime = 100 * time.Millisecond

// maxPattern bounds a pattern in bytes.
const maxPattern = 50_000

func compilePattern(src string, ignoreCase bool) (*jsPattern, error) {
	if len(src) > maxPattern {
		return nil, fmt.Errorf("a pattern has at most %d bytes", maxPattern)
	}
	options := []regexp2.CompileOption{regexp2.ECMAScript}
	if ignoreCase {
		options = append(options, regexp2.IgnoreCase)
	}
	re, err := regexp2.Compile(src, options...)
	if err != nil {
		return nil, err
	}
	re.MatchTimeout = patternTime
	return &jsPattern{re}, nil
}

func mustPattern(ignoreCase bool, src string) *jsPattern {
	p, err := compilePattern(src, ignoreCase)
	if err != nil {
		panic(err) // the patterns are constants
	}
	return p
}

// matches is false when the match takes too long: a value is refused rather than let pass unchecked.
func (p *jsPattern) matches(s string) bool {
	ok, err := p.re.MatchString(s)
	return ok && err == nil
}

// conforms says whether a string is of a format; one that isn't known passes.
func conforms(s, format string) bool {
	switch format {
	case "regex", "regexp", "pattern":
		_, err := compilePattern(s, false)
		return err == nil
	case "utc-millisec":
		_, err := strconv.ParseInt(s, 10, 64)
		return err == nil
	}
	p, ok := formatPatterns[format]
	return !ok || p.matches(s)
}
