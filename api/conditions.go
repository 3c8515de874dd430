package api

import (
	"context"
	_ "embed"
	"encoding/json"
	"net/http"
	"slices"
	"strings"

	"github.com/google/uuid"

	"github.com/gildway/gildway/internal/fault"
)

// permissionsMetadata is what Backstage's scaffolder says of its permissions, in the words of this project.
//
//go:embed permissions.json
var permissionsMetadata []byte

// The types of resources that the rules are about. Conditions can be applied to tasks alone, as in Backstage.
const (
	taskResource     = "scaffolder-task"
	templateResource = "scaffolder-template"
	actionResource   = "scaffolder-action"
)

func (h handlers) PermissionsMetadata(context.Context, PermissionsMetadataRequestObject) (PermissionsMetadataResponseObject, error) {
	compact, err := plainJSON(json.RawMessage(permissionsMetadata))
	return document(compact), err
}

func (d document) VisitPermissionsMetadataResponse(w http.ResponseWriter) error { return d.write(w) }

func (h handlers) OwnKeys(context.Context, OwnKeysRequestObject) (OwnKeysResponseObject, error) {
	keys, err := h.Signer.JWKS()
	return document(keys), err
}

func (d document) VisitOwnKeysResponse(w http.ResponseWriter) error { return d.write(w) }

func (h handlers) ApplyConditions(ctx context.Context, r ApplyConditionsRequestObject) (ApplyConditionsResponseObject, error) {
	items := make([]conditionItem, 0, len(r.Body.Items))
	for _, i := range r.Body.Items {
		item, err := conditionItemOf(i)
		if err != nil {
			return nil, err
		}
		items = append(items, item)
	}
	creators, err := h.creators(ctx, items)
	if err != nil {
		return nil, err
	}
	answer := ApplyConditions200JSONResponse{Items: []ConditionResult{}}
	for _, item := range items {
		result, err := item.results(creators)
		if err != nil {
			return nil, err
		}
		answer.Items = append(answer.Items, ConditionResult{Id: item.id, Result: result})
	}
	return answer, nil
}

// creators finds who created the tasks that conditions are asked about.
func (s *Server) creators(ctx context.Context, items []conditionItem) (map[string]string, error) {
	var unknown, tasks []string
	for _, item := range items {
		switch item.about {
		case taskResource, templateResource, actionResource:
		default:
			unknown = append(unknown, item.about)
		}
		tasks = append(tasks, item.refs...)
	}
	if len(unknown) > 0 {
		return nil, fault.New(fault.Invalid, "Unexpected resource types: %s.", strings.Join(unknown, ", "))
	}
	for _, item := range items {
		if item.about != taskResource {
			return nil, fault.New(fault.Unsupported, "This plugin does not expose any permission rule or can't evaluate the conditions request for %s", item.about)
		}
	}
	known := slices.DeleteFunc(slices.Clone(tasks), func(id string) bool { return len(id) != 36 || uuid.Validate(id) != nil })
	creators, err := s.Store.Creators(ctx, known)
	if err != nil {
		return nil, err
	}
	for _, id := range tasks {
		if _, there := creators[id]; !there {
			return nil, noTask(id)
		}
	}
	return creators, nil
}

// conditionItem is one question of Backstage's permission backend.
type conditionItem struct {
	id, about string
	refs      []string
	list      bool // the answer is a list, too
	when      condition
}

func conditionItemOf(i ConditionItem) (item conditionItem, err error) {
	item = conditionItem{id: i.Id, about: i.ResourceType}
	var one string
	if json.Unmarshal(i.ResourceRef, &one) == nil && string(i.ResourceRef) != "null" {
		item.refs = []string{one}
	} else if json.Unmarshal(i.ResourceRef, &item.refs) != nil || len(item.refs) == 0 {
		return item, fault.New(fault.Invalid, "resourceRef must be a string or a list of strings that is not empty")
	} else {
		item.list = true
	}
	var raw any
	if err := json.Unmarshal(i.Conditions, &raw); err != nil {
		return item, fault.Wrap(fault.Invalid, err, "the conditions can't be read")
	}
	var ok bool
	if item.when, ok = conditionOf(raw); !ok {
		return item, fault.New(fault.Invalid, "conditions are {anyOf}, {allOf}, {not} or {rule, resourceType, params}")
	}
	return item, nil
}

func (i conditionItem) results(creators map[string]string) (json.RawMessage, error) {
	results := make([]string, 0, len(i.refs))
	for _, ref := range i.refs {
		allowed, err := i.when.holds(i.about, creators[ref])
		if err != nil {
			return nil, err
		}
		result := "DENY"
		if allowed {
			result = "ALLOW"
		}
		results = append(results, result)
	}
	if i.list {
		return json.Marshal(results)
	}
	return json.Marshal(results[0])
}

// condition is a tree of rules; one of its fields is set.
type condition struct {
	any, all []condition
	not      *condition
	rule     string
	params   any
}

func conditionOf(raw any) (c condition, ok bool) {
	m, ok := raw.(map[string]any)
	if !ok {
		return c, false
	}
	if c.any, ok = conditionsOf(m["anyOf"]); ok {
		return c, true
	}
	if c.all, ok = conditionsOf(m["allOf"]); ok {
		return c, true
	}
	if not, ok := conditionOf(m["not"]); ok {
		return condition{not: &not}, true
	}
	params, given := m["params"].(map[string]any)
	_, typed := m["resourceType"].(string)
	c.rule, ok = m["rule"].(string)
	if given {
		c.params = params
	}
	return c, ok && typed && (given || m["params"] == nil)
}

func conditionsOf(raw any) (all []condition, ok bool) {
	list, _ := raw.([]any)
	for _, item := range list {
		c, ok := conditionOf(item)
		if !ok {
			return nil, false
		}
		all = append(all, c)
	}
	return all, len(all) > 0
}

// holds evaluates no more than it has to, as Backstage does: what is wrong behind a decision is not noticed.
func (c condition) holds(about, creator string) (bool, error) {
	switch {
	case c.not != nil:
		holds, err := c.not.holds(about, creator)
		return !holds && err == nil, err
	case len(c.all) > 0:
		for _, one := range c.all {
			if holds, err := one.holds(about, creator); err != nil || !holds {
				return false, err
			}
		}
		return true, nil
	case len(c.any) > 0:
		for _, one := range c.any {
			if holds, err := one.holds(about, creator); err != nil || holds {
				return holds && err == nil, err
			}
		}
		return false, nil
	}
	if c.rule != "IS_TASK_OWNER" {
		return false, &fault.Error{Kind: fault.Invalid, Name: "Error", Public: "Permission rule '" + c.rule + "' does not exist for resource type '" + about + "'"}
	}
	params, _ := c.params.(map[string]any)
	owners, isList := params["createdBy"].([]any)
	for _, o := range owners {
		_, isText := o.(string)
		isList = isList && isText
	}
	if !isList {
		return false, fault.New(fault.Invalid, "Parameters to rule are invalid")
	}
	return creator != "" && slices.Contains(owners, any(creator)), nil
}
