// Package expr is the `${{ }}` template language: a parser that keeps positions and an evaluator with JavaScript
// semantics, so that a Backstage template gives the same values and files here as it does in Backstage.
//
// The reference is the closed interpreter that Backstage runs (nunjitsu 0.6, a subset of Nunjucks). A Template is
// parsed once, is immutable, and may be evaluated from any number of goroutines.
package expr
