// Package templatetest runs the tests that an author keeps beside a template: what a run with these values would do,
// against what it is expected to do, without any server.
package templatetest
