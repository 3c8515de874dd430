package store

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gildway/gildway/internal/fault"
)

func TestTemplates_VersionNeverChanges(t *testing.T) {
	t.Parallel()
	s := open(t)
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	first := NewTemplate{Ref: "template:default/x", Digest: "sha256:1", Source: "a: 1", Archive: []byte("one"), Origin: "golden", Revision: "c1", Author: "Rosa", CommittedAt: &at}
	require.NoError(t, s.SaveTemplate(t.Context(), first))
	require.NoError(t, s.SaveTemplate(t.Context(), NewTemplate{Ref: "template:default/x", Digest: "sha256:1", Source: "a: 2", Archive: []byte("two"), Origin: "catalog"}))
	v, err := s.TemplateByDigest(t.Context(), "sha256:1")
	require.NoError(t, err)
	require.Equal(t, []string{"a: 1", "golden", "c1", "Rosa"}, []string{v.Source, v.Origin, v.Revision, v.Author})
	require.True(t, at.Equal(*v.CommittedAt))
	archive, err := s.TemplateArchive(t.Context(), "sha256:1")
	require.NoError(t, err)
	require.Equal(t, "one", string(archive))
	_, err = s.TemplateArchive(t.Context(), "sha256:2")
	require.ErrorIs(t, err, fault.NotFound)
}

func TestTemplates_KeptWithoutFiles_AreGivenThem(t *testing.T) {
	t.Parallel()
	s := open(t)
	_, err := s.pool.Exec(t.Context(), `insert into templates (digest, ref, source) values ('sha256:old', 'template:default/x', 'a: 1')`)
	require.NoError(t, err)
	_, err = s.TemplateArchive(t.Context(), "sha256:old")
	require.ErrorIs(t, err, fault.NotFound)
	require.NoError(t, s.SaveTemplate(t.Context(), NewTemplate{Ref: "template:default/x", Digest: "sha256:old", Source: "a: 1", Archive: []byte("x")}))
	archive, err := s.TemplateArchive(t.Context(), "sha256:old")
	require.NoError(t, err)
	require.Equal(t, "x", string(archive))
}

func TestTemplateVersions_NewestFirst_InPages(t *testing.T) {
	t.Parallel()
	s := open(t)
	for _, digest := range []string{"1", "2", "3"} {
		require.NoError(t, s.SaveTemplate(t.Context(), NewTemplate{Ref: "template:default/x", Digest: digest, Archive: []byte{}}))
		require.NoError(t, s.SaveTemplate(t.Context(), NewTemplate{Ref: "template:default/y", Digest: "y" + digest, Archive: []byte{}}))
	}
	digests := func(list []TemplateVersion, err error) (out []string) {
		require.NoError(t, err)
		for _, v := range list {
			out = append(out, v.Digest)
		}
		return out
	}
	page, err := s.TemplateVersions(t.Context(), "template:default/x", 0, 2)
	require.Equal(t, []string{"3", "2"}, digests(page, err))
	require.Equal(t, []string{"1"}, digests(s.TemplateVersions(t.Context(), "template:default/x", page[1].Seq, 2)))
}

func TestTemplatePlaces_AreThoseOfTheLastTime(t *testing.T) {
	t.Parallel()
	s := open(t)
	for _, digest := range []string{"1", "2"} {
		require.NoError(t, s.SaveTemplate(t.Context(), NewTemplate{Ref: "template:default/x", Digest: digest, Archive: []byte{}}))
	}
	one := TemplatePlace{Place: "a", Ref: "template:default/x", Digest: "1", File: "f", ShownURL: "s", BaseURL: "b"}
	two := TemplatePlace{Place: "B", Ref: "template:default/x", Digest: "2"}
	require.NoError(t, s.SetTemplatePlaces(t.Context(), "golden", []TemplatePlace{one, two}))
	require.NoError(t, s.SetTemplatePlaces(t.Context(), "catalog", []TemplatePlace{one}))
	places, err := s.TemplatePlaces(t.Context(), "golden")
	require.NoError(t, err)
	require.Equal(t, []TemplatePlace{two, one}, places, "by bytes")
	require.NoError(t, s.SetTemplatePlaces(t.Context(), "golden", []TemplatePlace{two}))
	places, err = s.TemplatePlaces(t.Context(), "golden")
	require.NoError(t, err)
	require.Equal(t, []TemplatePlace{two}, places)
	places, err = s.TemplatePlaces(t.Context(), "catalog")
	require.NoError(t, err)
	require.Equal(t, []TemplatePlace{one}, places)
	require.Error(t, s.SetTemplatePlaces(t.Context(), "golden", []TemplatePlace{{Place: "c", Digest: "nothing"}}))
}
