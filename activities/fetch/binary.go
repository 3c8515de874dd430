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

// isBinary tells binary files as isbinaryfile 5 does, which Backstage asks: what follows is its order of questions.
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
	reserve := content[:min(len(content), looked+3)] // for a character that begins at the end of head
	suspicious := 0
	tooMany := func() bool { return suspicious*100 > 10*len(head) }
	for i := 0; i < len(head); i++ {
		b := head[i]
		if b == 0 {
			return true
		}
		if b >= 7 && b <= 14 || b >= 32 && b <= 127 {
			continue
		}
		if n := continuation(b); n > 0 && i+n < len(reserve) {
			i++ // it is not looked at again, even if it doesn't belong to the character
			if follows(reserve[i : i+n]) {
				i += n - 1
				continue
			}
		}
		suspicious++
		if i >= 32 && tooMany() {
			return true
		}
	}
	return tooMany() || suspicious > 1 && isProtobuf(head)
}

// isProtobuf reports whether bytes are messages in the wire format of protocol buffers, the last of which may be cut
// off. Numbers are of 32 bits, as they are in JavaScript.
func isProtobuf(head []byte) bool {
	for rest, messages := head, 0; ; messages++ {
		tag, n := varint(rest)
		rest = rest[n:]
		length, whole := 0, n > 0
		switch tag & 7 {
		case 0:
			_, length = varint(rest)
			whole = whole && length > 0
		case 1:
			length = 8
		case 2:
			size, n := varint(rest)
			length, whole = n+int(max(size, 0)), whole && n > 0
		case 5:
			length = 4
		default:
			if whole {
				return false
			}
		}
		if !whole || length > len(rest) {
			return messages > 0
		}
		rest = rest[length:]
	}
}

// varint reads a number and gives how many bytes it has; 0 if it is cut off or too long.
func varint(b []byte) (value int32, n int) {
	for i := 0; i < len(b) && i <= 10; i++ {
		value |= int32(b[i]&0x7F) << (7 * i % 32)
		if b[i] < 0x80 {
			return value, i + 1
		}
	}
	return value, 0
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

func follows(rest []byte) bool {
	for _, b := range rest {
		if b < 0x80 || b > 0xBF {
			return false
		}
	}
	return true
}
