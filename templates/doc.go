// Package templates is the language: it reads template entities with the position of everything in
// them, refuses with all problems at once what could not run, and compiles the rest into plans.
package templates
