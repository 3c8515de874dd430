package expr

import (
	"math"
	"regexp"
	"strings"
)

// spaces is as many blanks as a loop that counts up to bound would make.
func spaces(bound float64) string {
	if bound != bound || bound <= 0 {
		return ""
	}
	if bound > maxRepeatedSpaces {
		throw("Filter spacing exceeds the supported bound")
	}
	return strings.Repeat(" ", int(math.Ceil(bound)))
}

// directLength is the property length of a text, array or record.
func (ev *evaluator) directLength(v any) any {
	n, _ := ev.own(v, "length")
	return n
}

func filterCenter(ev *evaluator, v any, args []any) any {
	v = normalized(v)
	width := orDefault(at(args, 0), 80.0)
	length := ev.directLength(v)
	if ev.order(length, width) >= 0 {
		return v
	}
	blanks := ev.number(width) - ev.number(length)
	return keepSafe(v, spaces(blanks/2-math.Mod(blanks, 2))+ev.text(v)+spaces(blanks/2))
}

func filterIndent(ev *evaluator, v any, args []any) any {
	v = normalized(v)
	text := ev.needText(v)
	if v == "" {
		return ""
	}
	indent := spaces(ev.number(orDefault(at(args, 0), 4.0)))
	lines := strings.Split(text, "\n")
	ev.boundText(len(text) + len(indent)*len(lines))
	for i := range lines {
		if i > 0 || Truthy(at(args, 1)) {
			lines[i] = indent + lines[i]
		}
	}
	return keepSafe(v, strings.Join(lines, "\n"))
}

func filterNl2br(ev *evaluator, v any, _ []any) any {
	text := ""
	if !isNullish(v) {
		text = ev.needText(v)
	}
	return keepSafe(v, strings.ReplaceAll(strings.ReplaceAll(text, "\r\n", "\n"), "\n", "<br />\n"))
}

func filterString(ev *evaluator, v any, _ []any) any {
	if isNullish(v) {
		throw("string requires a value")
	}
	if s, ok := v.(*safeText); ok {
		return s
	}
	return renderText(ev, v)
}

func filterTitle(ev *evaluator, v any, _ []any) any {
	words := strings.Split(ev.normalText(v), " ")
	for i, w := range words {
		words[i] = capitalizeText(w)
	}
	return keepSafe(v, strings.Join(words, " "))
}

func filterTruncate(ev *evaluator, v any, args []any) any {
	input := v
	v = normalized(v)
	limit := orDefault(at(args, 0), 255.0)
	if ev.order(ev.directLength(v), limit) <= 0 {
		return v
	}
	text := ev.needText(v)
	length := ev.number(limit)
	total := unitLen(text)
	cut := clampIndex(length, total)
	if !Truthy(at(args, 1)) {
		head := sliceUnits(text, 0, min(cut+1, total))
		if i := strings.LastIndexByte(head, ' '); length == length && i >= 0 {
			cut = unitLen(head[:i])
		} else if i := strings.LastIndexByte(text, ' '); length != length && i >= 0 {
			cut = unitLen(text[:i])
		}
	}
	end := "..."
	if e := at(args, 2); !isNullish(e) {
		end = ev.text(e)
	}
	return keepSafe(input, concatText(sliceUnits(text, 0, cut), end))
}

// clampIndex is an index within 0 and length, as substring takes it.
func clampIndex(f float64, length int) int {
	if f != f || f <= 0 {
		return 0
	}
	if f >= float64(length) {
		return length
	}
	return int(f)
}

var (
	htmlTag     = regexp.MustCompile(`(?i)</?([a-z][a-z0-9]*)\b[^>]*>|<!--[\s\S]*?-->`)
	edgeBlanks  = regexp.MustCompile(`(?m)^ +| +$`)
	manyBlanks  = regexp.MustCompile(` +`)
	manyLines   = regexp.MustCompile(`\n\n\n+`)
	whitespace  = regexp.MustCompile(`[\t\n\v\f\r \x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000}\x{feff}]+`)
	wordPattern = regexp.MustCompile(`\w+`)
)

const maxTagNesting = 8

func filterStriptags(ev *evaluator, v any, args []any) any {
	text := ev.normalText(v)
	for pass := 0; ; pass++ {
		next := htmlTag.ReplaceAllString(text, "")
		if next == text {
			break
		}
		if pass == maxTagNesting {
			throw("striptags input contains excessively nested markup")
		}
		text = next
	}
	text = trimText(text)
	if !Truthy(at(args, 0)) {
		return keepSafe(v, whitespace.ReplaceAllString(text, " "))
	}
	text = manyBlanks.ReplaceAllString(edgeBlanks.ReplaceAllString(text, ""), " ")
	return keepSafe(v, manyLines.ReplaceAllString(strings.ReplaceAll(text, "\r\n", "\n"), "\n\n"))
}

func filterWordcount(ev *evaluator, v any, _ []any) any {
	v = normalized(v)
	if !Truthy(v) {
		return nil
	}
	if n := len(wordPattern.FindAllStringIndex(ev.needText(v), -1)); n > 0 {
		return float64(n)
	}
	return nil
}

func filterReplace(ev *evaluator, v any, args []any) any {
	search, replacement := at(args, 0), at(args, 1)
	if r, ok := search.(*regex); ok {
		text, isText := textOf(v)
		if !isText {
			throw("Regular-expression replacement requires a string")
		}
		return ev.regexReplace(text, &regex{literal: r.literal}, ev.text(replacement))
	}
	if kind := kindOf(search); kind != "string" && kind != "number" {
		return v
	}
	input := v
	if _, ok := v.(float64); ok {
		v = ev.text(v)
	}
	text, ok := textOf(v)
	if !ok {
		return v
	}
	needle := ev.text(search)
	if needle == "" {
		with, sep := ev.text(replacement), ev.text(replacement)
		if replacement == any(Undefined) {
			sep = ","
		}
		return keepSafe(v, with+ev.join(splitUnits(text), sep)+with)
	}
	most := -1.0
	if m := at(args, 2); m != any(Undefined) {
		if m == any(0.0) {
			return v
		}
		most = ev.number(m)
		if most == -1 && m != any(-1.0) {
			most = 0
		}
		if most != most || most < 0 && most != -1 {
			most = 0
		}
	}
	if !strings.Contains(text, needle) {
		return v
	}
	with := ev.text(replacement)
	count := strings.Count(text, needle)
	if most >= 0 && most < float64(count) {
		count = int(math.Ceil(most))
	}
	ev.boundText(len(text) + count*(len(with)-len(needle)))
	return keepSafe(input, healText(strings.Replace(text, needle, with, count)))
}

// encodeURIComponent escapes all but letters, digits and -_.!~*'().
func encodeURIComponent(s string) string {
	const hex = "0123456789ABCDEF"
	if hasSurrogates(s) {
		throw("URI malformed")
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		c := s[i]
		if isNameStart(c) || isDigit(c) || strings.IndexByte("-.!~*'()", c) >= 0 {
			b.WriteByte(c)
		} else {
			b.WriteByte('%')
			b.WriteByte(hex[c>>4])
			b.WriteByte(hex[c&15])
		}
	}
	return b.String()
}

func filterURLEncode(ev *evaluator, v any, _ []any) any {
	pair := func(k, v any) string { return encodeURIComponent(ev.text(k)) + "=" + encodeURIComponent(ev.text(v)) }
	var parts []string
	switch v := v.(type) {
	case string:
		return encodeURIComponent(v)
	case *safeText:
		return encodeURIComponent(v.text)
	case *Object:
		for _, k := range v.Keys() {
			parts = append(parts, pair(k, ev.get(v, k)))
		}
	case *array:
		for i := range v.items {
			if v.items[i] == any(hole) {
				parts = append(parts, "")
				continue
			}
			item := ev.item(v, i)
			if isNullish(item) {
				throw("urlencode sequence entries cannot be nullish")
			}
			first, _ := ev.own(item, "0")
			second, _ := ev.own(item, "1")
			parts = append(parts, pair(first, second))
		}
	}
	return ev.join(parts, "&")
}

var (
	urlPunctuation = regexp.MustCompile(`^(?:\(|<|&lt;)?([^\n\r\x{2028}\x{2029}]*?)(?:\.|,|\)|\n|&gt;)?$`)
	emailAddress   = regexp.MustCompile("(?i)^[\\w.!#$%&'*+\\-/=?^`{|}~]+@[a-z\\d-]+(?:\\.[a-z\\d-]+)+$")
	commonDomain   = regexp.MustCompile(`\.(?:org|net|com)(?::|/|$)`)
)

func filterURLize(ev *evaluator, v any, args []any) any {
	limit := math.Inf(1)
	if n := at(args, 0); n != any(Undefined) {
		if f, isNumber := n.(float64); !isNumber || f == f {
			limit = ev.number(n)
		}
	}
	nofollow := ""
	if at(args, 1) == true {
		nofollow = ` rel="nofollow"`
	}
	text := ev.needText(v)
	var b strings.Builder
	for text != "" {
		gap := whitespace.FindStringIndex(text)
		word := text
		if gap != nil {
			word = text[:gap[0]]
		}
		if word != "" {
			b.WriteString(urlizeWord(word, limit, nofollow))
		}
		if gap == nil {
			break
		}
		b.WriteString(text[gap[0]:gap[1]])
		text = text[gap[1]:]
	}
	ev.boundText(b.Len())
	return b.String()
}

func urlizeWord(word string, limit float64, nofollow string) string {
	address := word
	if m := urlPunctuation.FindStringSubmatch(word); m != nil {
		address = m[1]
	}
	short := sliceUnits(address, 0, clampIndex(limit, unitLen(address)))
	link := func(href, text, rel string) string { return `<a href="` + href + `"` + rel + `>` + text + `</a>` }
	switch {
	case strings.HasPrefix(address, "http://"), strings.HasPrefix(address, "https://"):
		return link(address, short, nofollow)
	case strings.HasPrefix(address, "www."):
		return link("http://"+address, short, nofollow)
	case emailAddress.MatchString(address):
		return link("mailto:"+address, address, "")
	case commonDomain.MatchString(address):
		return link("http://"+address, short, nofollow)
	}
	return word
}
