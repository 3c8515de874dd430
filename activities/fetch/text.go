package fetch

import (
	"strings"
	"unicode/utf8"
)

// text reads UTF-8 as Backstage does: each part that can't be right becomes one replacement character, where a part is
// as long as it could still have become a character.
func text(content []byte) string {
	if utf8.Valid(content) {
		return string(content)
	}
	var b strings.Builder
	for len(content) > 0 {
		r, n := utf8.DecodeRune(content)
		if r == utf8.RuneError && n == 1 {
			n = begun(content)
		}
		b.WriteRune(r)
		content = content[n:]
	}
	return b.String()
}

// begun gives how many bytes begin a character that is not completed, at least one.
func begun(content []byte) int {
	low, high, want := byte(0x80), byte(0xBF), 0
	switch b := content[0]; {
	case b >= 0xC2 && b <= 0xDF:
		want = 1
	case b >= 0xE0 && b <= 0xEF:
		want = 2
	case b >= 0xF0 && b <= 0xF4:
		want = 3
	}
	switch content[0] {
	case 0xE0:
		low = 0xA0
	case 0xED:
		high = 0x9F
	case 0xF0:
		low = 0x90
	case 0xF4:
		high = 0x8F
	}
	n := 1
	for ; n <= want && n < len(content) && content[n] >= low && content[n] <= high; n++ {
		low, high = 0x80, 0xBF
	}
	return n
}
