package templates

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"gopkg.in/yaml.v3"
)

// Limits of one template file. They are far above what people write and far below what hurts.
const (
	maxFile    = 1 << 20 // bytes
	maxDepth   = 100
	maxNodes   = 200_000 // with every alias written out
	maxWritten = 8 << 20 // bytes of all texts and keys, likewise
)

type kind uint8

const (
	nullNode kind = iota
	boolNode
	numberNode
	stringNode
	listNode
	mapNode
)

func (k kind) String() string {
	return [...]string{"null", "a boolean", "a number", "a string", "a list", "a mapping"}[k]
}

// mark is a place in the file, both from 1.
type mark struct{ line, column int }

// node is a YAML value with its place. Aliases are resolved and scalars typed as YAML 1.2's core
// schema types them, which is what Backstage reads with.
type node struct {
	mark
	kind    kind
	style   yaml.Style
	text    string // a string's value; the JSON of a boolean or number
	items   []*node
	entries []entry
	size    int // values in it and below, aliases written out
	written int // bytes of its texts and keys, likewise
	height  int // levels below it
}

type entry struct {
	mark
	key   string
	value *node
}

// get gives the value of a key, or nil.
func (n *node) get(key string) *node {
	if n == nil {
		return nil
	}
	for _, e := range n.entries {
		if e.key == key {
			return e.value
		}
	}
	return nil
}

// given says whether a key is there with a value.
func (n *node) given(key string) bool {
	v := n.get(key)
	return v != nil && v.kind != nullNode
}

// json writes the value with its keys in the file's order; every string passes through edit.
func (n *node) json(edit func(string) string) json.RawMessage {
	if n == nil {
		return nil
	}
	var b bytes.Buffer
	n.write(&b, edit)
	return b.Bytes()
}

func verbatim(s string) string { return s }

func (n *node) write(b *bytes.Buffer, edit func(string) string) {
	switch n.kind {
	case nullNode:
		b.WriteString("null")
	case boolNode, numberNode:
		b.WriteString(n.text)
	case stringNode:
		writeString(b, edit(n.text))
	case listNode:
		b.WriteByte('[')
		for i, item := range n.items {
			if i > 0 {
				b.WriteByte(',')
			}
			item.write(b, edit)
		}
		b.WriteByte(']')
	case mapNode:
		b.WriteByte('{')
		for i, e := range n.entries {
			if i > 0 {
				b.WriteByte(',')
			}
			writeString(b, e.key)
			b.WriteByte(':')
			e.value.write(b, edit)
		}
		b.WriteByte('}')
	}
}

func writeString(b *bytes.Buffer, s string) {
	enc := json.NewEncoder(b)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(s) // a string into a buffer never fails
	b.Truncate(b.Len() - 1)
}

// what names the kind of a value, and the value itself where that says more.
func (n *node) what() string {
	if n.kind == stringNode && n.text == "" {
		return "an empty text"
	}
	return n.kind.String()
}

// falsy says whether JavaScript takes the value as false.
func (n *node) falsy() bool {
	switch n.kind {
	case nullNode:
		return true
	case boolNode:
		return n.text == "false"
	case numberNode:
		return n.text == "0"
	case stringNode:
		return n.text == ""
	}
	return false
}

// Paths are shown to people, and a file can hold keys as long as itself: what is longer is cut.
const (
	maxKeyShown  = 100
	maxPathShown = 500
)

// under is the path of a key.
func under(path, key string) string {
	if len(key) > maxKeyShown {
		key = strings.ToValidUTF8(key[:maxKeyShown], "") + "…"
	}
	return extend(path, "."+key)
}

// nth is the path of an item of a list.
func nth(path string, i int) string { return extend(path, "["+strconv.Itoa(i)+"]") }

func extend(path, more string) string {
	switch {
	case len(path) > maxPathShown:
		return path
	case len(path)+len(more) > maxPathShown:
		return path + more + "…"
	}
	return path + more
}

// strings visits every string value with its path.
func (n *node) strings(path string, visit func(n *node, path string)) {
	if n == nil {
		return
	}
	switch n.kind {
	case stringNode:
		visit(n, path)
	case listNode:
		for i, item := range n.items {
			item.strings(nth(path, i), visit)
		}
	case mapNode:
		for _, e := range n.entries {
			e.value.strings(under(path, e.key), visit)
		}
	}
}

// builder turns what the YAML parser gives into nodes.
type builder struct {
	done   map[*yaml.Node]*node
	open   map[*yaml.Node]bool
	report func(at mark, says, try string)
}

var tooDeep = fmt.Sprintf("values are nested deeper than %d levels", maxDepth)

var errTooLarge = errors.New("too large")

// readYAML gives the one document of a file, or nil. Whatever is wrong is reported with its place.
func readYAML(src []byte, report func(at mark, says, try string)) *node {
	if len(src) > maxFile {
		report(mark{1, 1}, fmt.Sprintf("the file is larger than %d bytes", maxFile), "")
		return nil
	}
	if at := bytes.IndexFunc(src, func(r rune) bool { return r == utf8.RuneError }); at >= 0 && !utf8.Valid(src) {
		report(placeOf(src, at), "the file is not UTF-8 text", "")
		return nil
	}
	dec := yaml.NewDecoder(bytes.NewReader(src))
	var doc yaml.Node
	switch err := dec.Decode(&doc); {
	case errors.Is(err, io.EOF):
		report(mark{1, 1}, "the file is empty", "")
		return nil
	case err != nil:
		report(syntaxError(src, err))
		return nil
	}
	for more := true; more; {
		var another yaml.Node
		switch err := dec.Decode(&another); {
		case errors.Is(err, io.EOF):
			more = false
		case err != nil:
			report(syntaxError(src, err))
			return nil
		case len(another.Content) == 1 && another.Content[0].Tag == "!!null":
			// A file may end with ---.
		default:
			report(mark{another.Line, another.Column}, "a second document begins here", "one template a file")
			return nil
		}
	}
	b := &builder{done: map[*yaml.Node]*node{}, open: map[*yaml.Node]bool{}, report: report}
	root, err := b.build(doc.Content[0], 0)
	if err != nil {
		return nil
	}
	return root
}

var errorLine = regexp.MustCompile(`^yaml: (?:line (\d+): )?(.*)$`)

func syntaxError(src []byte, err error) (mark, string, string) {
	at, says := mark{1, 1}, err.Error()
	if m := errorLine.FindStringSubmatch(says); m != nil {
		if line, err := strconv.Atoi(m[1]); err == nil {
			at.line = min(max(line, 1), bytes.Count(src, []byte("\n"))+1) // the parser counts past the end
		}
		says = m[2]
	}
	try := ""
	if strings.Contains(says, "mapping values are not allowed") {
		try = `another indentation, or quotes around a text with ": " in it`
	}
	return at, "the file is not YAML: " + says, try
}

func placeOf(src []byte, offset int) mark {
	before := src[:offset]
	line := bytes.Count(before, []byte("\n")) + 1
	return mark{line, utf8.RuneCount(before[bytes.LastIndexByte(before, '\n')+1:]) + 1}
}

func (b *builder) build(y *yaml.Node, depth int) (*node, error) {
	at := mark{max(y.Line, 1), max(y.Column, 1)}
	if y.Kind == yaml.AliasNode {
		y = y.Alias
	}
	if n, ok := b.done[y]; ok {
		return n, nil
	}
	if b.open[y] {
		b.report(at, "the alias stands inside what it refers to", "")
		return nil, errTooLarge
	}
	if depth > maxDepth {
		b.report(at, tooDeep, "")
		return nil, errTooLarge
	}
	b.open[y] = true
	defer delete(b.open, y)
	n := &node{mark: at, style: y.Style, size: 1}
	var err error
	switch y.Kind {
	case yaml.SequenceNode:
		n.kind = listNode
		err = b.list(n, y, depth)
	case yaml.MappingNode:
		n.kind = mapNode
		err = b.mapping(n, y, depth)
	default:
		n.kind, n.text = scalar(y)
		n.written = len(n.text)
	}
	if err != nil {
		return nil, err
	}
	switch {
	case n.size > maxNodes:
		b.report(at, fmt.Sprintf("the file holds more than %d values", maxNodes), "")
		return nil, errTooLarge
	case n.written > maxWritten:
		b.report(at, fmt.Sprintf("the file holds more than %d bytes when every alias is written out", maxWritten), "")
		return nil, errTooLarge
	case n.height > maxDepth:
		b.report(at, tooDeep, "")
		return nil, errTooLarge
	}
	b.done[y] = n
	return n, nil
}

func (n *node) tooMuch() bool { return n.size > maxNodes || n.written > maxWritten }

func (n *node) grow(child *node) {
	n.size = min(n.size+child.size, maxNodes+1)
	n.written = min(n.written+child.written, maxWritten+1)
	n.height = max(n.height, child.height+1)
}

func (b *builder) list(n *node, y *yaml.Node, depth int) error {
	for _, c := range y.Content {
		item, err := b.build(c, depth+1)
		if err != nil {
			return err
		}
		n.items = append(n.items, item)
		if n.grow(item); n.tooMuch() {
			break // build says so
		}
	}
	return nil
}

func (b *builder) mapping(n *node, y *yaml.Node, depth int) error {
	seen := map[string]int{}
	var merged []*node
	for i := 0; i+1 < len(y.Content); i += 2 {
		k := y.Content[i]
		at := mark{max(k.Line, 1), max(k.Column, 1)}
		if k.Kind == yaml.AliasNode {
			k = k.Alias
		}
		value, err := b.build(y.Content[i+1], depth+1)
		if err != nil {
			return err
		}
		n.grow(value)
		n.written += len(k.Value)
		switch {
		case k.Kind != yaml.ScalarNode:
			b.report(at, "a key must be a plain word", "")
		case k.Value == "<<" && k.Style&^yaml.TaggedStyle == 0:
			merged = append(merged, value)
		default:
			if first, twice := seen[k.Value]; twice {
				b.report(at, fmt.Sprintf("the key %q already stands in line %d", k.Value, first), "")
				continue
			}
			seen[k.Value] = at.line
			n.entries = append(n.entries, entry{at, k.Value, value})
		}
	}
	for _, m := range merged {
		b.merge(n, m, seen)
	}
	return nil
}

// merge adds what `<<` brings in and the mapping doesn't say itself.
func (b *builder) merge(n, from *node, seen map[string]int) {
	switch from.kind {
	case listNode:
		for _, item := range from.items {
			b.merge(n, item, seen)
		}
	case mapNode:
		for _, e := range from.entries {
			if _, ok := seen[e.key]; !ok {
				seen[e.key] = e.line
				n.entries = append(n.entries, e)
			}
		}
	default:
		b.report(from.mark, "what << merges must be a mapping", "")
	}
}

var (
	yamlNull  = regexp.MustCompile(`^(?:~|[Nn]ull|NULL|)$`)
	yamlBool  = regexp.MustCompile(`^(?:[Tt]rue|TRUE|[Ff]alse|FALSE)$`)
	yamlInt   = regexp.MustCompile(`^[-+]?[0-9]+$`)
	yamlOct   = regexp.MustCompile(`^0o[0-7]+$`)
	yamlHex   = regexp.MustCompile(`^0x[0-9a-fA-F]+$`)
	yamlFloat = regexp.MustCompile(`^[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?$`)
	yamlInf   = regexp.MustCompile(`^(?:[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$`)
)

// scalar types a scalar by YAML 1.2's core schema: `yes`, `1_000` and dates are strings.
func scalar(y *yaml.Node) (kind, string) {
	const quoted = yaml.DoubleQuotedStyle | yaml.SingleQuotedStyle | yaml.LiteralStyle | yaml.FoldedStyle
	if y.Style&quoted != 0 || y.Style&yaml.TaggedStyle != 0 && y.Tag == "!!str" {
		return stringNode, y.Value
	}
	switch v := y.Value; {
	case yamlNull.MatchString(v):
		return nullNode, ""
	case yamlBool.MatchString(v):
		return boolNode, strings.ToLower(v)
	case yamlInt.MatchString(v):
		return number(strconv.ParseFloat(v, 64))
	case yamlOct.MatchString(v):
		i, err := strconv.ParseUint(v[2:], 8, 64)
		return number(float64(i), err)
	case yamlHex.MatchString(v):
		i, err := strconv.ParseUint(v[2:], 16, 64)
		return number(float64(i), err)
	case yamlFloat.MatchString(v):
		return number(strconv.ParseFloat(v, 64))
	case yamlInf.MatchString(v):
		return nullNode, "" // JSON has neither infinity nor NaN; JavaScript writes null
	}
	return stringNode, y.Value
}

func number(f float64, err error) (kind, string) {
	if err != nil || math.IsInf(f, 0) || math.IsNaN(f) {
		return nullNode, ""
	}
	if f == 0 {
		f = 0 // JavaScript writes -0 as 0
	}
	text, _ := json.Marshal(f) // a finite number never fails
	return numberNode, string(text)
}
