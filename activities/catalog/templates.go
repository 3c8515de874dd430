package catalog

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
)

// templatePage is how many templates are asked for at once: they are larger than people.
const templatePage = 50

// Templates gives the entities of the kind Template as the catalog wrote them, `limit` of them at most.
func (c *Client) Templates(ctx context.Context, limit int) ([]json.RawMessage, error) {
	var all []json.RawMessage
	query := url.Values{"filter": {"kind=template"}, "limit": {strconv.Itoa(templatePage)}}
	for seen := map[string]bool{}; len(all) < limit; {
		var page struct {
			Items    []json.RawMessage `json:"items"`
			PageInfo struct {
				NextCursor string `json:"nextCursor"`
			} `json:"pageInfo"`
		}
		if err := c.call(ctx, http.MethodGet, "/entities/by-query", query, nil, &page); err != nil {
			return nil, err
		}
		all = append(all, page.Items...)
		cursor := page.PageInfo.NextCursor
		if cursor == "" || seen[cursor] {
			break
		}
		seen[cursor] = true
		query = url.Values{"cursor": {cursor}, "limit": {strconv.Itoa(templatePage)}}
	}
	return all[:min(len(all), limit)], nil
}
