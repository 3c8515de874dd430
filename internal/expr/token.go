package expr

import (
	"strconv"
	"strings"
)

type tokenKind int

const (
	tokenEnd tokenKind = iota
	tokenName
	tokenNumber
	tokenString
	tokenRegex
	tokenOperator
)

var tokenNames = map[tokenKind]string{tokenEnd: "eof", tokenName: "name", tokenNumber: "number", tokenString: "string", tokenRegex: "regex", tokenOperator: "operator"}

// token is one word of an expression. For strings the value is what the literal means, for regular expressions the
// pattern, with the flags apart.
type token struct {
	kind  tokenKind
	value string
	flags string
	pos   Pos
}

// text is how messages show a token.
func (t token) text() string {
	if t.kind == tokenRegex {
		return t.value + "/" + t.flags
	}
	return t.value
}

var longOperators = []string{"===", "!==", "**", "//", "==", "!=", "<=", ">="}

// tokenize reads the code at an offset of the source.
func tokenize(src *source, code string, offset int) []token {
	var tokens []token
	for i := 0; i < len(code); {
		if n := codeSpace(code[i:]); n > 0 {
			i += n
			continue
		}
		t := token{pos: src.pos(offset + i)}
		var previous token
		if len(tokens) > 0 {
			previous = tokens[len(tokens)-1]
		}
		afterDot := previous.kind == tokenOperator && previous.value == "."
		c := code[i]
		if end := nameEnd(code, i, afterDot); end >= 0 {
			t.kind, t.value = tokenName, code[i:end]
			if t.value == "r" && end < len(code) && code[end] == '/' {
				pattern, flags, regexEnd, err := scanRegex(code, i)
				if err != nil {
					src.fail(offset+i, err.msg)
				}
				t.kind, t.value, t.flags, end = tokenRegex, pattern, flags, regexEnd
			}
			tokens = append(tokens, t)
			i = end
			continue
		}
		if c == '.' && i+1 < len(code) && isDigit(code[i+1]) && !endsOperand(previous) {
			src.fail(offset+i, "Invalid numeric literal")
		}
		if isDigit(c) {
			end := i
			for end < len(code) && isDigit(code[end]) {
				end++
			}
			if end < len(code) && code[end] == '.' {
				for end++; end < len(code) && isDigit(code[end]); end++ {
				}
			}
			if end < len(code) && isNameStart(code[end]) {
				src.fail(offset+i, "Invalid numeric literal")
			}
			t.kind, t.value = tokenNumber, code[i:end]
			tokens = append(tokens, t)
			i = end
			continue
		}
		if c == '"' || c == '\'' {
			value, end := readString(code, i)
			if end < 0 {
				src.fail(offset+i, "Unterminated string literal")
			}
			t.kind, t.value = tokenString, value
			tokens = append(tokens, t)
			i = end
			continue
		}
		t.kind, t.value = tokenOperator, ""
		for _, op := range longOperators {
			if strings.HasPrefix(code[i:], op) {
				t.value = op
				break
			}
		}
		if t.value == "" {
			if !strings.ContainsRune("()[]{}.,:|~+-*/%<>=", rune(c)) {
				src.fail(offset+i, "Unexpected character "+quoteSource(firstUnit(code[i:])))
			}
			t.value = code[i : i+1]
		}
		tokens = append(tokens, t)
		i += len(t.value)
	}
	return append(tokens, token{pos: src.pos(offset + len(code))})
}

func endsOperand(t token) bool {
	switch t.kind {
	case tokenName, tokenNumber, tokenString, tokenRegex:
		return true
	case tokenOperator:
		return t.value == ")" || t.value == "]" || t.value == "}"
	}
	return false
}

// readString reads the literal at i; its end is -1 if it has none.
func readString(code string, i int) (string, int) {
	quote := code[i]
	var b strings.Builder
	for j := i + 1; j < len(code); j++ {
		c := code[j]
		if c == quote {
			return b.String(), j + 1
		}
		if c == '\\' {
			if j++; j >= len(code) {
				break
			}
			switch c = code[j]; c {
			case 'n':
				c = '\n'
			case 'r':
				c = '\r'
			case 't':
				c = '\t'
			}
		}
		b.WriteByte(c)
	}
	return "", -1
}

// scanRegex reads r/pattern/flags at i.
func scanRegex(code string, i int) (pattern, flags string, end int, err *codeError) {
	fail := func(msg string) (string, string, int, *codeError) { return "", "", 0, &codeError{i, msg} }
	backslashes := 0
	for j := i + 2; j < len(code); j++ {
		switch code[j] {
		case '\\':
			backslashes++
			continue
		case '/':
			if backslashes > 0 {
				if backslashes%2 == 0 {
					return fail("Ambiguous regular-expression delimiter escape")
				}
				break
			}
			pattern = code[i+2 : j]
			if unitLen(pattern) > maxRegexUnits {
				return fail("Regular-expression literal exceeds the maximum length")
			}
			for end = j + 1; end < len(code) && strings.IndexByte("gimy", code[end]) >= 0; end++ {
				if strings.IndexByte(flags, code[end]) >= 0 {
					return fail("Duplicate regular-expression flag")
				}
				flags += code[end : end+1]
			}
			if end < len(code) && isNameStart(code[end]) && code[end] != '_' {
				return fail("Unsupported regular-expression flag")
			}
			if _, err := compileRegex(pattern, flags); err != nil {
				return fail(err.Error())
			}
			return pattern, flags, end, nil
		}
		backslashes = 0
	}
	return fail("Unterminated regular-expression literal")
}

func firstUnit(s string) string {
	_, w := decodeUnit(s)
	return s[:w]
}

// quoteSource shows a piece of source in a message.
func quoteSource(s string) string {
	if unitLen(s) > 200 {
		s = sliceUnits(s, 0, 200) + "…"
	}
	return strconv.Quote(s)
}
