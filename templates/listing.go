package templates

import "encoding/json"

// Listing is the template as an entity for Backstage's catalog, whose frontend lists only what is there and of the
// version v1beta3: whatever version the template has, it says so, and its steps are those of a task. The annotations
// are added to its own.
func (t *Template) Listing(annotations map[string]string) (json.RawMessage, error) {
	var entity struct {
		APIVersion string                     `json:"apiVersion"`
		Kind       string                     `json:"kind"`
		Metadata   map[string]json.RawMessage `json:"metadata"`
		Spec       map[string]json.RawMessage `json:"spec"`
	}
	if err := json.Unmarshal(t.root.json(verbatim), &entity); err != nil {
		return nil, err
	}
	own := map[string]string{}
	if raw, given := entity.Metadata["annotations"]; given {
		if err := json.Unmarshal(raw, &own); err != nil {
			return nil, err
		}
	}
	for key, value := range annotations {
		own[key] = value
	}
	entity.APIVersion = V1Beta3
	var err error
	if entity.Metadata["annotations"], err = json.Marshal(own); err != nil {
		return nil, err
	}
	if entity.Spec["steps"], err = json.Marshal(t.TaskSteps()); err != nil {
		return nil, err
	}
	return json.Marshal(entity)
}
