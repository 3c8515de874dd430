package expr

import (
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/language"
)

// Text is held as UTF-8 in which a lone surrogate, which JavaScript text may contain, is a three-byte sequence
// (generalised UTF-8). Lengths and indexes are those of JavaScript: UTF-16 units.

func isASCII(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// decodeUnit reads the rune at the start of s, a lone surrogate included.
func decodeUnit(s string) (rune, int) {
	if c := s[0]; c < utf8.RuneSelf {
		return rune(c), 1
	} else if c == 0xED && len(s) >= 3 && s[1] >= 0xA0 && s[1] <= 0xBF && s[2]&0xC0 == 0x80 {
		return rune(c&0x0F)<<12 | rune(s[1]&0x3F)<<6 | rune(s[2]&0x3F), 3
	}
	return utf8.DecodeRuneInString(s)
}

func unitLen(s string) int {
	n := 0
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c < 0x80 || c >= 0xC0 && c < 0xF0:
			n++
		case c >= 0xF0:
			n += 2
		}
	}
	return n
}

func toUnits(s string) []uint16 {
	out := make([]uint16, 0, len(s))
	for i := 0; i < len(s); {
		r, w := decodeUnit(s[i:])
		i += w
		if r >= 0x10000 {
			hi, lo := utf16.EncodeRune(r)
			out = append(out, uint16(hi), uint16(lo))
		} else {
			out = append(out, uint16(r))
		}
	}
	return out
}

func fromUnits(units []uint16) string {
	var b strings.Builder
	b.Grow(len(units))
	for i := 0; i < len(units); i++ {
		u := rune(units[i])
		switch {
		case u < 0x80:
			b.WriteByte(byte(u))
		case utf16.IsSurrogate(u):
			if i+1 < len(units) {
				if r := utf16.DecodeRune(u, rune(units[i+1])); r != utf8.RuneError {
					b.WriteRune(r)
					i++
					continue
				}
			}
			b.Write([]byte{0xED, 0x80 | byte(u>>6)&0x3F, 0x80 | byte(u)&0x3F})
		default:
			b.WriteRune(u)
		}
	}
	return b.String()
}

// sliceUnits is the text between two unit indexes, which must lie within it.
func sliceUnits(s string, from, to int) string {
	if from >= to {
		return ""
	}
	if isASCII(s) {
		return s[from:to]
	}
	return fromUnits(toUnits(s)[from:to])
}

// splitUnits is the text as one string for each unit.
func splitUnits(s string) []string {
	if isASCII(s) {
		return strings.Split(s, "")
	}
	units := toUnits(s)
	out := make([]string, len(units))
	for i, u := range units {
		out[i] = fromUnits([]uint16{u})
	}
	return out
}

// concatText joins two texts; surrogate halves that meet become one character.
func concatText(a, b string) string {
	if len(a) >= 3 && len(b) >= 3 && b[0] == 0xED && a[len(a)-3] == 0xED {
		hi, _ := decodeUnit(a[len(a)-3:])
		lo, _ := decodeUnit(b)
		if r := utf16.DecodeRune(hi, lo); r != utf8.RuneError {
			return a[:len(a)-3] + string(r) + b[3:]
		}
	}
	return a + b
}

// joinText joins parts; surrogate halves that meet become one character.
func joinText(parts []string, sep string) string {
	return healText(strings.Join(parts, sep))
}

// healText makes one character of every pair of surrogate halves.
func healText(s string) string {
	if !hasSurrogates(s) {
		return s
	}
	return fromUnits(toUnits(s))
}

func hasSurrogates(s string) bool {
	for i := strings.IndexByte(s, 0xED); i >= 0 && i+1 < len(s); {
		if s[i+1] >= 0xA0 {
			return true
		}
		next := strings.IndexByte(s[i+1:], 0xED)
		if next < 0 {
			return false
		}
		i += 1 + next
	}
	return false
}

// wellFormed replaces lone surrogates, as encoding to UTF-8 does in JavaScript.
func wellFormed(s string) string {
	if !hasSurrogates(s) {
		return s
	}
	return string(utf16.Decode(toUnits(s)))
}

// compareText orders by UTF-16 units.
func compareText(a, b string) int {
	i := 0
	for i < len(a) && i < len(b) && a[i] == b[i] {
		i++
	}
	if i == len(a) || i == len(b) {
		return len(a) - len(b)
	}
	for i > 0 && a[i]&0xC0 == 0x80 {
		i--
	}
	ra, _ := decodeUnit(a[i:])
	rb, _ := decodeUnit(b[i:])
	return int(leadUnit(ra)) - int(leadUnit(rb)) + sign(int(ra)-int(rb))*boolInt(leadUnit(ra) == leadUnit(rb))
}

func leadUnit(r rune) rune {
	if r >= 0x10000 {
		hi, _ := utf16.EncodeRune(r)
		return hi
	}
	return r
}

func sign(n int) int {
	switch {
	case n < 0:
		return -1
	case n > 0:
		return 1
	}
	return 0
}

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

func lowerText(s string) string {
	if isASCII(s) {
		return strings.ToLower(s)
	}
	return cases.Lower(language.Und, cases.HandleFinalSigma(true)).String(s)
}

func upperText(s string) string {
	if isASCII(s) {
		return strings.ToUpper(s)
	}
	return cases.Upper(language.Und).String(s)
}

// isSpace is whitespace as JavaScript's \s and trim know it.
func isSpace(r rune) bool {
	switch r {
	case '\t', '\n', '\v', '\f', '\r', ' ', 0xA0, 0x1680, 0x2028, 0x2029, 0x202F, 0x205F, 0x3000, 0xFEFF:
		return true
	}
	return r >= 0x2000 && r <= 0x200A
}

func trimText(s string) string { return strings.TrimFunc(s, isSpace) }

// capitalizeText lowers everything and raises the first unit.
func capitalizeText(s string) string {
	s = lowerText(s)
	if s == "" {
		return s
	}
	r, w := decodeUnit(s)
	if r >= 0x10000 {
		return s
	}
	return upperText(s[:w]) + s[w:]
}
