package api

import (
	"context"
	_ "embed"
	"encoding/json"
	"net/http"
)

// templatingExtensions are Backstage's four filters; what else the language has is not listed there either.
//
//go:embed templating-extensions.json
var templatingExtensions []byte

func (h handlers) ListTemplatingExtensions(context.Context, ListTemplatingExtensionsRequestObject) (ListTemplatingExtensionsResponseObject, error) {
	return extensions(templatingExtensions), nil
}

// extensions are written as they are: the generated answer would encode them once more.
type extensions json.RawMessage

func (e extensions) VisitListTemplatingExtensionsResponse(w http.ResponseWriter) error {
	raw, err := plainJSON(json.RawMessage(e))
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", backstageJSON)
	_, err = w.Write(raw)
	return err
}
