package fetch

import (
	"io/fs"
	"path"
	"regexp"
	"strconv"
	"strings"

	"github.com/gildway/gildway/internal/fault"
)

// globs selects entries of a folder as globby 11 does, which Backstage asks: dot files match, a folder's name means
// everything below it, a leading ! takes back what earlier patterns selected.
type globs []glob

type glob struct {
	negated bool
	base    string // the folder that the search begins in; it is not selected itself
	form    *regexp.Regexp
}

func compileGlobs(files fs.FS, patterns []string) (out globs, err error) {
	for _, p := range patterns {
		bare, negated := strings.CutPrefix(p, "!")
		for strings.HasPrefix(bare, "./") {
			bare = bare[2:]
		}
		for strings.Contains(bare, "//") {
			bare = strings.ReplaceAll(bare, "//", "/")
		}
		if name := path.Clean(bare); !negated && fs.ValidPath(name) && !strings.HasPrefix(bare, "/") {
			if info, err := fs.Stat(files, name); err == nil && info.IsDir() {
				bare = path.Join(name, "**")
			}
		}
		for _, one := range expandBraces(bare, maxGlobs) {
			if strings.Contains(one, "!(") {
				return nil, fault.New(fault.Invalid, "the pattern %q is not supported: write what it excludes as a pattern of its own, with a leading !", p)
			}
			form, err := regexp.Compile("^" + asRegexp(one) + "$")
			if err != nil {
				return nil, fault.Wrap(fault.Invalid, err, "%q is not a glob pattern", p)
			}
			if out = append(out, glob{negated, baseOf(one), form}); len(out) >= maxGlobs {
				return nil, fault.New(fault.Invalid, "the pattern %q stands for too many", p)
			}
		}
	}
	return out, nil
}

const maxGlobs = 1000

// match reports whether an entry is selected: by a pattern that no later negated one takes it, or a folder above it,
// back from.
func (g globs) match(f found) bool {
	for i, p := range g {
		if p.negated || !p.matches(f.name, f.IsDir()) || p.base != "." && !strings.HasPrefix(f.name, p.base+"/") {
			continue
		}
		if !g[i+1:].exclude(f, p.base) {
			return true
		}
	}
	return false
}

func (g globs) exclude(f found, base string) bool {
	for _, n := range g {
		if !n.negated {
			continue
		}
		if n.matches(f.name, f.IsDir()) {
			return true
		}
		for dir := path.Dir(f.name); dir != "." && dir != base; dir = path.Dir(dir) {
			if n.matches(dir, true) {
				return true
			}
		}
	}
	return false
}

func (g glob) matches(name string, folder bool) bool {
	return g.form.MatchString(name) || folder && g.form.MatchString(name+"/")
}

// baseOf gives the folder of a pattern up to which it is plain text. A question mark counts as text here.
func baseOf(pattern string) string {
	base := "."
	parts := strings.Split(pattern, "/")
	for _, part := range parts[:len(parts)-1] {
		if strings.ContainsAny(part, `*[]{}()!\`) {
			break
		}
		base = path.Join(base, part)
	}
	return base
}

// expandBraces gives what {a,b} and {1..3} stand for, at most `most` patterns. Braces without a choice stay.
func expandBraces(pattern string, most int) []string {
	open, end, cuts := findBraces(pattern)
	if open < 0 {
		return []string{pattern}
	}
	var choices []string
	if len(cuts) > 0 {
		for from := open + 1; ; cuts = cuts[1:] {
			if len(cuts) == 0 {
				choices = append(choices, pattern[from:end])
				break
			}
			choices = append(choices, pattern[from:cuts[0]])
			from = cuts[0] + 1
		}
	} else {
		choices = span(pattern[open+1:end], most)
	}
	var out []string
	for _, c := range choices {
		for _, rest := range expandBraces(c+pattern[end+1:], most-len(out)) {
			if out = append(out, pattern[:open]+rest); len(out) >= most {
				return out
			}
		}
	}
	return out
}

// findBraces finds the first braces that hold a choice, and the commas in them.
func findBraces(pattern string) (open, end int, cuts []int) {
	for open = 0; open < len(pattern); open++ {
		if pattern[open] == '\\' {
			open++
			continue
		}
		if pattern[open] != '{' {
			continue
		}
		depth := 0
		cuts = nil
		for end = open; end < len(pattern); end++ {
			switch pattern[end] {
			case '\\':
				end++
			case '{':
				depth++
			case '}':
				depth--
			case ',':
				if depth == 1 {
					cuts = append(cuts, end)
				}
			}
			if depth == 0 {
				break
			}
		}
		if depth == 0 && end < len(pattern) && (len(cuts) > 0 || len(span(pattern[open+1:end], 1)) > 0) {
			return open, end, cuts
		}
	}
	return -1, 0, nil
}

// span gives what 1..3 or a..c stand for.
func span(text string, most int) (out []string) {
	from, to, ok := strings.Cut(text, "..")
	if !ok {
		return nil
	}
	if len(from) == 1 && len(to) == 1 && !isDigit(from[0]) && !isDigit(to[0]) {
		step := 1
		if from[0] > to[0] {
			step = -1
		}
		for c := int(from[0]); len(out) < most; c += step {
			out = append(out, string(rune(c)))
			if c == int(to[0]) {
				break
			}
		}
		return out
	}
	low, err := strconv.Atoi(from)
	high, errHigh := strconv.Atoi(to)
	if err != nil || errHigh != nil {
		return nil
	}
	step := 1
	if low > high {
		step = -1
	}
	for n := low; len(out) < most; n += step {
		out = append(out, strconv.Itoa(n))
		if n == high {
			break
		}
	}
	return out
}

func isDigit(b byte) bool { return b >= '0' && b <= '9' }

// asRegexp translates a pattern without braces: * ? [a-z] ** and the groups @(a|b) ?(a) *(a) +(a).
func asRegexp(pattern string) string {
	if doubleStarEnding.MatchString(pattern) {
		return ".*" + regexp.QuoteMeta(pattern[2:])
	}
	var b strings.Builder
	var closers []string
	for i := 0; i < len(pattern); i++ {
		c := pattern[i]
		opensGroup := i+1 < len(pattern) && pattern[i+1] == '(' && strings.IndexByte(pattern[i:], ')') > 0
		begins := i == 0 || pattern[i-1] == '/'
		switch {
		case opensGroup && strings.IndexByte("@?*+", c) >= 0:
			b.WriteString("(?:")
			closers = append(closers, ")"+strings.Trim(string(c), "@"))
			i++
		case c == '(' && strings.IndexByte(pattern[i:], ')') > 0:
			b.WriteString("(?:")
			closers = append(closers, ")")
		case c == ')' && len(closers) > 0:
			b.WriteString(closers[len(closers)-1])
			closers = closers[:len(closers)-1]
		case c == '|' && len(closers) > 0:
			b.WriteByte('|')
		case c == '*':
			end := i
			for end < len(pattern) && pattern[end] == '*' {
				end++
			}
			ends := end == len(pattern) || pattern[end] == '/'
			switch {
			case end-i >= 2 && begins && end == len(pattern):
				b.WriteString(".*")
			case end-i >= 2 && begins && ends:
				b.WriteString("(?:.*/)?")
				end++
			case begins && ends:
				b.WriteString("[^/]+")
			default:
				b.WriteString("[^/]*")
			}
			i = end - 1
		case c == '?':
			b.WriteString("[^/]")
		case c == '[':
			n, class := asClass(pattern[i:])
			b.WriteString(class)
			i += n - 1
		case c == '\\' && i+1 < len(pattern):
			i++
			b.WriteString(regexp.QuoteMeta(pattern[i : i+1]))
		default:
			b.WriteString(regexp.QuoteMeta(pattern[i : i+1]))
		}
	}
	for range closers {
		b.WriteByte(')')
	}
	return b.String()
}

// doubleStarEnding is the one form in which ** beside other text crosses folders.
var doubleStarEnding = regexp.MustCompile(`^\*\*\.\w+$`)

var classChars = regexp.MustCompile(`[-*+?.^${}(|)[\]]`)

// asClass translates [abc], [a-z], [!a] and gives how long it is. Names that hold brackets are common, so that a class
// of plain characters also means itself.
func asClass(pattern string) (int, string) {
	end := strings.IndexByte(pattern[min(len(pattern), 2):], ']')
	if end < 0 {
		return 1, `\[`
	}
	end += 2
	inner := pattern[1:end]
	class := strings.NewReplacer(`\`, `\\`, `[`, `\[`, `&`, `\&`).Replace(inner)
	if inner[0] == '!' || inner[0] == '^' {
		class = "^/" + class[1:]
	}
	class = "[" + class + "]"
	if _, err := regexp.Compile(class); err != nil {
		return end + 1, regexp.QuoteMeta(pattern[:end+1])
	}
	if classChars.MatchString(inner) {
		return end + 1, class
	}
	return end + 1, "(?:" + class + "|" + regexp.QuoteMeta(pattern[:end+1]) + ")"
}
