package npmyaml

import (
	"regexp"
	"strings"
	"unicode/utf16"
)

// block writes a text of several lines.
func (p place) block(s string) string {
	if blankLastLine.MatchString(s) {
		return p.quoted(s)
	}
	body := strings.TrimRight(s, "\n\t ")
	end := s[len(body):]
	chomp := ""
	switch at := strings.IndexByte(end, '\n'); {
	case at < 0:
		chomp = "-"
	case body == "" || at != len(end)-1:
		chomp = "+"
	}
	end = breaksInside(strings.TrimSuffix(end, "\n"), p.indent)

	lead := len(body) - len(strings.TrimLeft(body, " \n"))
	header := chomp
	if strings.Contains(body[:lead], " ") {
		header = "2" + chomp
	}
	first := strings.LastIndexByte(body[:lead], '\n') + 1
	start := lineBreaks.ReplaceAllString(body[:first], "$0"+p.indent)
	body = body[first:]

	if tooWide(s, lineWidth-len(p.indent)) {
		folded := lineBreaks.ReplaceAllString(body, "\n$0")
		folded = lineBreaks.ReplaceAllString(keepIndented(folded), "$0"+p.indent)
		overflows := false
		folded = fold(start+folded+end, p.indent, block, len(p.indent), &overflows)
		if !overflows {
			return ">" + header + "\n" + p.indent + folded
		}
	}
	return "|" + header + "\n" + p.indent + start + lineBreaks.ReplaceAllString(body, "$0"+p.indent) + end
}

// breaksInside indents what follows line breaks that are not the last.
func breaksInside(s, indent string) string {
	inside := strings.TrimRight(s, "\n")
	return lineBreaks.ReplaceAllString(inside, "$0"+indent) + s[len(inside):]
}

var indented = regexp.MustCompile("(?:^|\n)([\t ][^\n\r\u2028\u2029]*)([\n\t ]*)")

// keepIndented takes back the line breaks that were doubled around lines that begin with white space: those
// are not folded.
func keepIndented(s string) string {
	var out strings.Builder
	for s != "" || out.Len() == 0 {
		m := indented.FindStringSubmatchIndex(s)
		if m == nil || out.Len() > 0 && m[0] == 0 && s[0] != '\n' { // ^ is the start of the whole text only
			at := -1
			if m != nil {
				at = strings.IndexByte(s, '\n')
			}
			if at < 0 {
				break
			}
			out.WriteString(s[:at])
			s = s[at:]
			continue
		}
		out.WriteString(s[:m[0]])
		out.WriteString(s[m[2]:m[3]])
		if after := s[m[4]:m[5]]; strings.HasSuffix(after, "\n") {
			out.WriteString(strings.TrimSuffix(after, "\n"))
			s = s[m[5]:]
		} else {
			s = s[m[3]:]
		}
	}
	out.WriteString(s)
	return out.String()
}

// tooWide reports whether a line of a text is longer than a limit.
func tooWide(s string, limit int) bool {
	units := utf16.Encode([]rune(s))
	if len(units) <= limit {
		return false
	}
	for i, start := 0, 0; i < len(units); i++ {
		if units[i] != '\n' {
			continue
		}
		if i-start > limit {
			return true
		}
		start = i + 1
		if len(units)-start <= limit {
			return false
		}
	}
	return true
}
