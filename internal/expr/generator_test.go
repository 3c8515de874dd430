package expr

import (
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/gildway/gildway/internal/expr/oracle"
)

// generator makes templates from the language's grammar, and now and then spoils one. A seed gives always the same.
type generator struct{ *rand.Rand }

func newGenerator(seed uint64) generator {
	return generator{rand.New(rand.NewPCG(seed, 0x9E3779B97F4A7C15))}
}

// generatorVars are the variables that generated templates read.
const generatorVars = `{
  "n": 5, "z": 0, "neg": -3, "f": 1.5, "big": 1e+22, "small": 1e-07, "third": 0.1, "s": "Hello World", "e": "", "num": "42",
  "t": true, "fa": false, "nul": null, "arr": [3, 1, 2], "words": ["banana", "Apple", "cherry"], "emptyArr": [], "emptyObj": {},
  "mixed": [0, "", null, false, "x", [], {"a": 1}, "10", 9], "obj": {"2": "two", "10": "ten", "b": 1, "a": "x", "nested": {"deep": {"v": [1, 2, {"k": "v"}]}}},
  "people": [{"name": "Bob", "age": 30, "tags": ["x"], "active": true}, {"name": "alice", "age": 25, "tags": [], "active": false}, {"name": "Carol", "age": 35, "tags": ["y", "z"], "active": true}],
  "uni": "na\u00efve caf\u00e9 \u2013 \u65e5\u672c \ud83d\ude00!", "turkish": "\u0130\u0131\u00df\u03c3\u03a3\ufb01", "html": "<b>\"x\" & 'y'</b>", "multi": "a\nb\r\n\n\nc  d\t",
  "nested": [1, [2, [3, [4]]]], "like": {"0": "p", "1": "q", "length": 2}, "url": "see https://example.com/a, www.x.org (or) me@a.io. a.com/b",
  "repo": "github.com?owner=/o/&repo=r&repo=q", "gitlab": "gitlab.com?project=7&x=%41+b", "ref": "component:ns/n", "odd": {"a.b": 1, "": 2, "a": {"b": [0]}, "_": "u", "length": "3"},
  "values": {"name": "svc", "flag": true}, "cookiecutter": {"name": "svc", "list": [1, 2, 2], "rec": {"a": 1, "b": 2}}
}`

var (
	atoms = strings.Fields(`n z neg f big small third s e num t fa nul arr words emptyArr emptyObj mixed obj people uni turkish html multi
		nested like url odd values cookiecutter undefinedVar loop x y m 1 0 2.5 -1 10 3 100 0.5 1e3 017 9007199254740993 1. "" "a" "3" "1.5x" '0x1F' "-0" "😀x"
		'é' "a.b" "length" true false null none True None [] {} [1,"b",null] {a:1,"b":[2]} obj.nested people[0] arr[0] nested[1] s.length range(4) range
		(n) x.0 arr.length people[1].tags obj["10"] nested.flat values.name cookiecutter.list cookiecutter.rec caller super joiner cycler`)
	regexes = strings.Fields(`r/[a-o]+/g r/\d/ r/(o)(r)?/g r/^h/i r/(?:b|(a))+/g r/\b/g r/l{2}/ r/(.)\1/g r/(?=l)/g r/(?!o)./g r/(?<=l)o/ r/(?<!l)l/g r/(?<x>[A-Z])\k<x>?/g
		r/[^\w\s]+/g r/\u00e9|\x6e/gi r/$/gm r/^/gm r/./y r/o/y r/()/g r/[]/ r/[^]/g r/a**/ r/(/ r/a|ab|/g r/(a*)*/ r/(z)((a+)?(b+)?(c))*/ r/\S+?\s/ r/[\S]/g r/[\b]/ r/\0/
		r/\1(a)/ r/a{,2}/ r/x{2,1}/ r/[z-a]/ r/[\d-x]/g r/\cJ/ r/[^\D]/g r/\uD83D/ r/[\uDE00]/g r/\//`)
	binaries = strings.Fields("+ - * / // % ** ~ == != === !== < <= > >= and or in")
	filters  = strings.Fields(`abs batch capitalize center d default dictsort dump e escape first float forceescape groupby indent int join last length list
		lower nl2br reject rejectattr replace reverse round safe select selectattr slice sort string striptags sum title trim truncate upper urlencode
		urlize wordcount parseRepoUrl parseEntityRef pick projectSlug jsonify nope`)
	tests = strings.Fields(`callable defined divisibleby eq equalto escaped even falsy ge greaterthan gt iterable le lessthan lower lt mapping ne none null
		number odd sameas string truthy undefined upper nope`)
	names = strings.Fields(`charAt charCodeAt concat endsWith includes indexOf lastIndexOf replace slice split startsWith substring toLowerCase toUpperCase trim
		trimEnd trimStart toExponential toFixed toPrecision toString at copyWithin fill flat join pop push reverse shift sort splice unshift test append
		count find index insert remove get has_key items keys values next reset current match padStart repeat hasOwnProperty constructor __proto__
		prototype length val`)
	attributes = strings.Fields(`"name" "age" "tags.0" "active" "a" "a.b" "nested.deep" "0" "length" "constructor" "__proto__.x" 0 null`)
	refs       = strings.Fields(`repo gitlab ref "github.com?repo=r" "dev.azure.com?project=p&repo=r" "bitbucket.org?workspace=w&project=p&repo=r" "n" "ns/n" "k:n" ":n" "k:" "k:/n" "a/b:c"
		{kind:"K",name:"n"} {name:"n"} {kind:"K",namespace:"",name:"n"} {kind:1,name:"n"}`)
	contexts = strings.Fields(`{defaultKind:"User"} {defaultKind:"G",defaultNamespace:"m"} {defaultNamespace:""} null 1`)
	paths    = strings.Fields(`"a.b" "a.b[0]" "['a']" "nested.deep.v[2].k" "[0].name" "1" "length" "" "." "a..b" "[" "a[" "a]" "constructor" "[\"a.b\"]" 0 null ["a","b"] [0,"name"]`)
	texts    = []string{"text ", "\n", "  ", "a\n  b", "-", "$", "{", "}", "{{ n }}", "}}", "%}", "{#-", "\t\r\n", " \n\n", "é", "${", "#}", "<b>"}
	bound    = strings.Fields("x y n arr loop k t caller")
	endings  = strings.Fields("endif endfor else elif endset endmacro endfilter endcall endswitch endraw")
)

func (g generator) chance(p float64) bool { return g.Float64() < p }

func pickOne(g generator, from []string) string { return from[g.IntN(len(from))] }

func (g generator) expression(depth int) string {
	if depth <= 0 || g.chance(.15) {
		if g.chance(.05) {
			return pickOne(g, regexes)
		}
		return pickOne(g, atoms)
	}
	sub := func() string { return g.expression(depth - 1) }
	switch r := g.Float64(); {
	case r < .22:
		return sub() + " " + pickOne(g, binaries) + " " + sub()
	case r < .24:
		return sub() + " not in " + sub()
	case r < .41:
		return sub() + " | " + g.filter(depth)
	case r < .44:
		return g.backstage()
	case r < .58:
		return g.method(depth)
	case r < .64:
		not := ""
		if g.chance(.3) {
			not = "not "
		}
		return sub() + " is " + not + pickOne(g, tests) + g.arguments(depth)
	case r < .67:
		return "not " + sub()
	case r < .70:
		return pickOne(g, []string{"-", "+", "- -", "not not "}) + g.primary(depth)
	case r < .75:
		if g.chance(.3) {
			return sub() + " if " + sub()
		}
		return sub() + " if " + sub() + " else " + sub()
	case r < .81:
		return g.primary(depth) + "[" + sub() + "]"
	case r < .85:
		part := func() string {
			if g.chance(.5) {
				return sub()
			}
			return ""
		}
		slice := g.primary(depth) + "[" + part() + ":" + part()
		if g.chance(.3) {
			slice += ":" + part()
		}
		return slice + "]"
	case r < .88:
		return "[" + g.list(depth, 4) + "]"
	case r < .90:
		return "{a: " + sub() + `, "1": ` + sub() + "}"
	case r < .92:
		return pickOne(g, []string{"always", "failure", "range", "cycler", "joiner", "m", "x", "caller"}) + "(" + g.list(depth, 3) + ")"
	case r < .96:
		return g.typical(depth)
	}
	return "(" + sub() + ")"
}

// typical makes calls whose arguments fit, which at random are rare.
func (g generator) typical(depth int) string {
	text := func() string {
		return pickOne(g, []string{"s", "uni", "html", "multi", "url", "turkish", "num", `"a,b,,c"`})
	}
	list := func() string {
		return pickOne(g, []string{"arr", "words", "people", "mixed", "nested", "range(7)", "emptyArr"})
	}
	small := func() string { return pickOne(g, []string{"0", "1", "2", "3", "-1", "7", "20", "1.5", `"2"`}) }
	switch g.IntN(12) {
	case 0:
		return text() + "." + pickOne(g, []string{"replace", "split"}) + "(" + pickOne(g, regexes) + ", " + pickOne(g, []string{`"[$1|$&|$2]"`, "\"$`$'$$\"", `"$<x>$01$10"`, `""`, "2"}) + ")"
	case 1:
		return text() + ` | replace(` + pickOne(g, regexes) + `, "<$1$&>")`
	case 2:
		return list() + " | " + pickOne(g, []string{"sort", "groupby", "selectattr", "rejectattr", "sum", "join"}) + "(" + pickOne(g, append([]string{"true", "false"}, attributes...)) + ")"
	case 3:
		return list() + " | sort(" + pickOne(g, []string{"true", "false"}) + ", " + pickOne(g, []string{"true", "false"}) + ", " + pickOne(g, attributes) + ")"
	case 4:
		return pickOne(g, []string{"f", "n", "big", "third", "small", "neg", `"2.345"`, "1234.5678", "0.000001234"}) + pickOne(g, []string{" | round", ".toFixed", ".toPrecision", ".toExponential", ".toString"}) + "(" + small() + ")"
	case 5:
		return text() + " | " + pickOne(g, []string{"truncate", "center", "indent", "batch", "slice", "wordcount", "urlize"}) + "(" + small() + ", " + pickOne(g, []string{"true", `"-"`, "false"}) + ")"
	case 6:
		return list() + " | " + pickOne(g, []string{"batch", "slice"}) + "(" + small() + ", " + pickOne(g, []string{"true", `"-"`, "0"}) + ")"
	case 7:
		return pickOne(g, []string{"obj", "odd", "like", "emptyObj", "values"}) + " | " + pickOne(g, []string{"dictsort", "list", "length", "urlencode", "dump(2)", `dictsort(true, "value")`})
	case 8:
		return list() + " | " + pickOne(g, []string{"select", "reject"}) + `("` + pickOne(g, tests) + `"` + pickOne(g, []string{"", ", 2"}) + ")"
	case 9:
		return pickOne(g, []string{"obj", "people", "odd", "nested", "words", "s", "nul"}) + " | pick(" + pickOne(g, paths) + ")"
	case 10:
		return text() + " | " + pickOne(g, []string{"int", "float", "default"}) + "(" + small() + ", " + small() + ")"
	}
	return pickOne(g, []string{"n", "third", "big", "neg", "z"}) + " " + pickOne(g, []string{"**", "%", "//", "/", "*"}) + " " + pickOne(g, []string{"2", "0.5", "neg", "z", "3", `"7"`, "-2"})
}

func (g generator) backstage() string {
	out := pickOne(g, refs) + " | " + pickOne(g, []string{"parseRepoUrl", "parseEntityRef", "projectSlug", "parseEntityRef(" + pickOne(g, contexts) + ")"})
	return out + pickOne(g, []string{"", "", ` | pick("owner")`, " | dump", " | length", ".kind", " | list"})
}

func (g generator) primary(depth int) string {
	if g.chance(.6) {
		return pickOne(g, atoms)
	}
	return "(" + g.expression(depth-1) + ")"
}

func (g generator) method(depth int) string {
	return g.primary(depth) + "." + pickOne(g, names) + "(" + g.list(depth, 3) + ")"
}

func (g generator) filter(depth int) string { return pickOne(g, filters) + g.arguments(depth) }

func (g generator) arguments(depth int) string {
	if g.chance(.5) {
		return ""
	}
	return "(" + g.list(depth, 3) + ")"
}

func (g generator) list(depth, most int) string {
	parts := make([]string, g.IntN(most+1))
	for i := range parts {
		if parts[i] = g.expression(depth - 2); g.chance(.06) {
			parts[i] = pickOne(g, []string{"x", "y", "reverse", "attribute", "default", "case_sensitive", "caller"}) + "=" + parts[i]
		}
	}
	return strings.Join(parts, ", ")
}

func (g generator) dash() string { return pickOne(g, []string{"", "", "", "", "", "-"}) }

func (g generator) block(text string) string {
	return "{%" + g.dash() + " " + text + " " + g.dash() + "%}"
}

func (g generator) output(text string) string {
	return "${{" + g.dash() + " " + text + " " + g.dash() + "}}"
}

func (g generator) statements(depth int) string {
	var b strings.Builder
	for range 1 + g.IntN(3) {
		b.WriteString(g.statement(depth))
	}
	return b.String()
}

func (g generator) statement(depth int) string {
	r := g.Float64()
	if depth <= 0 || r < .15 {
		return pickOne(g, texts)
	}
	body := func() string { return g.statements(depth - 1) }
	switch {
	case r < .45:
		return g.output(g.expression(depth - 1))
	case r < .55:
		return g.output(pickOne(g, bound))
	case r < .65:
		out := g.block("if "+g.expression(1)) + body()
		if g.chance(.2) {
			out += g.block(pickOne(g, []string{"elif ", "elseif "})+g.expression(1)) + body()
		}
		if g.chance(.4) {
			out += g.block("else") + body()
		}
		return out + g.block("endif")
	case r < .79:
		out := g.block("for "+pickOne(g, []string{"x", "y", "k, v", "x, y, k", "n"})+" in "+g.expression(1)) + body()
		if g.chance(.3) {
			out += g.output("loop." + pickOne(g, strings.Fields("index index0 revindex revindex0 first last length nope")))
		}
		if g.chance(.3) {
			out += g.block("else") + body()
		}
		return out + g.block("endfor")
	case r < .86:
		return g.block("set " + pickOne(g, append([]string{"x, y"}, bound...)) + " = " + g.expression(2))
	case r < .88:
		return g.block("set "+pickOne(g, bound)) + body() + g.block("endset")
	case r < .92:
		name := pickOne(g, []string{"m", "x"})
		return g.block("macro "+name+"("+pickOne(g, []string{"", "x", "x, y=1", "k=n, y", "caller", "x=1, x=2"})+")") + body() +
			pickOne(g, []string{"", g.output("caller()"), g.output("caller(1, 2)")}) + g.block("endmacro") + g.output(name+"("+g.list(2, 2)+")")
	case r < .94:
		return g.block("filter "+g.filter(1)) + body() + g.block("endfilter")
	case r < .96:
		out := g.block("switch " + g.expression(1))
		for range g.IntN(3) {
			out += g.block("case "+g.expression(1)) + pickOne(g, []string{"", body()})
		}
		if g.chance(.5) {
			out += g.block("default") + body()
		}
		return out + g.block("endswitch")
	case r < .97:
		return g.block(pickOne(g, []string{"raw", "verbatim"})) + body() + g.block(pickOne(g, []string{"endraw", "endverbatim"}))
	case r < .98:
		return "{#" + g.dash() + pickOne(g, []string{" c ", "", "${{ n }}", "\n"}) + g.dash() + "#}"
	case r < .985:
		return g.block(pickOne(g, []string{"include", "extends", "import"})+` "a"`) + g.block("block "+pickOne(g, bound)) + body() + g.block("endblock")
	}
	return g.block(pickOne(g, []string{"call ", "call(x) ", "call(x, y=2) "})+pickOne(g, []string{"m()", "m(1)", "x()", "nope()"})) + body() + g.block("endcall")
}

// spoil removes, doubles or inserts something.
func (g generator) spoil(src string) string {
	if src == "" {
		return src
	}
	runes := []rune(src)
	i := g.IntN(len(runes))
	switch g.IntN(4) {
	case 0:
		runes = slices.Delete(runes, i, i+1)
	case 1:
		runes = slices.Insert(runes, i, runes[i])
	case 2:
		runes = slices.Insert(runes, i, []rune(pickOne(g, []string{" ", "-", "}}", "%}", "{%", "(", ")", "'", "|", ".", "\\", "\u00a0", "r/", "{", "=", "0"}))...)
	default:
		return src + g.block(pickOne(g, endings))
	}
	return string(runes)
}

func (g generator) next() oracle.Case {
	var c oracle.Case
	if g.chance(.65) {
		c.Src = "${{ " + g.expression(3) + " }}"
	} else {
		c.Src = g.statements(3)
	}
	if g.chance(.05) {
		c.Src = g.spoil(c.Src)
	}
	switch r := g.Float64(); {
	case r < .08:
		c.Mode = oracle.Legacy
	case r < .25:
		c.Mode = oracle.Render
		c.Options = g.IntN(8)
	}
	if c.Options&oracle.Cookiecutter != 0 {
		c.Src = strings.ReplaceAll(c.Src, "${{", "{{")
	}
	return c
}
