package expr

import (
	"context"
	"testing"
	"time"
)

func seed(f *testing.F) {
	for _, s := range []string{
		"plain", "${{ a.b[0] | upper }}", "{% for k, v in o %}${{ k ~ v }}{% endfor %}", "{% macro m(x, y=1) %}${{ x }}{% endmacro %}${{ m(1) }}",
		"{%- raw -%}x{%- endraw -%}", "${{ s.replace(r/(o)/g, '$1$&') }}", "{% set x = [1] %}${{ x.push(x) }}", "{# c #}${{ 1 if a else 2 }}",
		"{% switch a %}{% case 1 %}{% default %}{% endswitch %}", "${{ 'é😀'.slice(1, 3) | dump(2) }}",
	} {
		f.Add(s)
	}
}

func FuzzParse(f *testing.F) {
	seed(f)
	f.Fuzz(func(t *testing.T, src string) {
		tmpl, err := Parse(src, Options{})
		if err != nil {
			return
		}
		Walk(tmpl.Root(), func(n Node) bool {
			if p := n.Pos(); p.Line < 1 || p.Column < 1 || p.Offset < 0 || p.Offset > len(src) {
				t.Fatalf("%T at %v of %q", n, p, src)
			}
			return true
		})
		tmpl.References()
		tmpl.Calls()
	})
}

func FuzzEvaluate(f *testing.F) {
	seed(f)
	vars, err := FromJSON([]byte(`{"a":{"b":["x",1,null]},"o":{"2":1,"k":[true]},"s":"foo bar","n":3}`))
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, src string) {
		tmpl, err := Parse(src, Options{CookiecutterCompat: len(src)%2 == 1})
		if err != nil {
			return
		}
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		defer cancel()
		begun := time.Now()
		v, err := tmpl.Evaluate(ctx, &Env{Vars: vars.(*Object)})
		if took := time.Since(begun); took > 5*time.Second {
			t.Fatalf("took %s", took)
		}
		if err == nil {
			if _, err := ToJSON(v); err != nil {
				t.Fatal(err)
			}
		}
	})
}
