package expr

import (
	"maps"
	"slices"
)

// Filters are the names of all filters, Backstage's included, sorted.
func Filters() []string {
	return slices.Sorted(slices.Values(append(sortedNames(builtinFilters), backstageFilterNames...)))
}

// Tests are the names that may follow `is`, sorted.
func Tests() []string { return sortedNames(builtinTests) }

// Functions are the names of the functions that every template can call, sorted; always and failure are the workflow's.
func Functions() []string { return []string{"cycler", "joiner", "range"} }

// Methods are the names of the methods that any value has outside the cookiecutter dialect, sorted.
func Methods() []string {
	names := map[string]bool{"next": true, "reset": true} // of a cycler
	for _, of := range []map[string]*method{stringMethods, numberMethods, arrayMethods, regexMethods} {
		for name := range of {
			names[name] = true
		}
	}
	return slices.Sorted(maps.Keys(names))
}
