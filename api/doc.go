// Package api is the HTTP face: Backstage's scaffolder API, so that an unmodified frontend works, and
// what Backstage lacks beside it. The document openapi.yaml is its source, permissions included.
package api

//go:generate go tool oapi-codegen -config oapi-codegen.yaml openapi.yaml
