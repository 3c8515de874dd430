package fetch

import "bytes"

// looked is how much of a file tells text from binary.
const looked = 512

var textMarks = [][]byte{
	{0xEF, 0xBB, 0xBF},       // UTF-8
	{0x00, 0x00, 0xFE, 0xFF}, // UTF-32
	{0xFF, 0xFE},             // UTF-16 and UTF-32, little end first
	{0xFE, 0xFF},             // UTF-16
	{0x84, 0x31, 0x95, 0x33}, // GB18030
}

// isBinary tells binary files as isbinaryfile 5 does, which Backstage asks; its look for protocol
// buffers is left out.
func isBinary(content []byte) bool {
	head := content[:min(len(content), looked)]
	for _, mark := range textMarks {
		if bytes.HasPrefix(head, mark) {
			return false
		}
	}
	if bytes.HasPrefix(head, []byte("%PDF-")) {
		return true
	}
	suspicious := 0
	tooMany := func() bool { return suspicious*100 > 10*len(head) }
	for i := 0; i < len(head); i++ {
		switch b := head[i]; {
		case b == 0:
			return true
		case b >= 7 && b <= 14, b >= 32 && b <= 127:
			continue
		default:
			if n := continuation(b); n > 0 && follows(head[i+1:], n) {
				i += n
				continue
			}
			suspicious++
			if i >= 32 && tooMany() {
				return true
			}
		}
	}
	return tooMany()
}

// continuation gives how many bytes follow a byte that begins a character in UTF-8.
func continuation(b byte) int {
	switch {
	case b >= 0xC0 && b <= 0xDF:
		return 1
	case b >= 0xE0 && b <= 0xEF:
		return 2
	case b >= 0xF0 && b <= 0xF7:
		return 3
	default:
		return 0
	}
}

func follows(rest []byte, n int) bool {
	if len(rest) < n {
		return false
	}
	for _, b := range rest[:n] {
		if b < 0x80 || b > 0xBF {
			return false
		}
	}
	return true
}
