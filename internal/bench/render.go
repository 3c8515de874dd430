package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"

	"gocloud.dev/blob/memblob"

	"github.com/gildway/gildway/activities"
	"github.com/gildway/gildway/internal/workspace"
	"github.com/gildway/gildway/templates"
)

const rendered = "nodejs-microservice"

// rendering measures fetch:template on the skeleton of a shipped template, with everything that it does
// in a run but the disk.
func rendering(ctx context.Context, registry *activities.Registry) ([]row, error) {
	const samples, times = 15, 20
	fetch, ok := registry.Get("fetch:template")
	if !ok {
		return nil, errors.New("there is no fetch:template")
	}
	input, err := json.Marshal(map[string]any{
		"url": "./skeleton", "values": map[string]any{"name": "payment-processor", "owner": "group:default/payments-team"},
	})
	if err != nil {
		return nil, err
	}
	files, err := countFiles(templates.Golden(), rendered+"/skeleton")
	if err != nil {
		return nil, err
	}
	took, err := medians(ctx, samples, func(ctx context.Context) error {
		for range times {
			if err := render(ctx, fetch, input); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	skeleton, err := skeletonRow(ctx)
	if err != nil {
		return nil, err
	}
	perSecond := float64(files*times) / took[0].Seconds()
	return []row{{
		what:     fmt.Sprintf("render the %d files of %s (more is better)", files, rendered),
		measured: fmt.Sprintf("%.0f files/s", perSecond), against: "-", samples: samples,
	}, skeleton}, nil
}

func render(ctx context.Context, fetch activities.Action, input json.RawMessage) error {
	bucket := memblob.OpenBucket(nil)
	defer bucket.Close()
	files, err := workspace.Open(ctx, bucket, nil)
	if err != nil {
		return err
	}
	call := &activities.Call{Files: files, Log: func(string, ...any) {}, LogAt: func(activities.LogLevel, string, map[string]any) {}}
	call.Run.Template.BaseURL = "golden://" + rendered + "/template.yaml"
	if _, err := fetch.Do(ctx, call, input); err != nil {
		return err
	}
	_, err = files.Seal(ctx)
	return err
}

func countFiles(files fs.FS, below string) (n int, err error) {
	err = fs.WalkDir(files, below, func(_ string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			n++
		}
		return err
	})
	return n, err
}
