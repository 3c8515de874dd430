package audit

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func log(t *testing.T, n int) []Leaf {
	t.Helper()
	var leaves []Leaf
	var last Leaf
	for i := range n {
		body, err := Entry{Task: "t", Kind: "step-done", Actor: "gildway", At: time.Unix(int64(i), 0), Data: map[string]any{"b": 1, "a": i}}.Encode()
		require.NoError(t, err)
		last = Next(last, body)
		leaves = append(leaves, last)
	}
	return leaves
}

func verify(leaves []Leaf) error {
	var v Verifier
	for _, l := range leaves {
		if err := v.Add(l); err != nil {
			return err
		}
	}
	return nil
}

func TestEntry_EncodeIsCanonical(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 1, 2, 3, 4, 5, 123456789, time.FixedZone("x", 3600))
	body, err := Entry{Kind: "k", Actor: "user:default/rosa", At: at, Data: map[string]any{"z": 1, "a": "x"}}.Encode()
	require.NoError(t, err)
	require.Equal(t, `{"kind":"k","actor":"user:default/rosa","at":"2026-01-02T02:04:05.123456Z","data":{"a":"x","z":1}}`, string(body))
}

func TestVerifier_UntouchedLog_Holds(t *testing.T) {
	t.Parallel()
	require.NoError(t, verify(log(t, 5)))
}

func TestVerifier_AnyTampering_IsNamed(t *testing.T) {
	t.Parallel()
	for name, tamper := range map[string]func([]Leaf) []Leaf{
		"Changed":  func(l []Leaf) []Leaf { l[2].Body = append([]byte{}, append(l[2].Body, ' ')...); return l },
		"Dropped":  func(l []Leaf) []Leaf { return append(l[:2], l[3:]...) },
		"Swapped":  func(l []Leaf) []Leaf { l[1], l[2] = l[2], l[1]; return l },
		"Replaced": func(l []Leaf) []Leaf { l[2] = Next(Leaf{Seq: 2, Chain: l[3].Chain}, []byte("{}")); return l },
		"Headless": func(l []Leaf) []Leaf { return l[1:] },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Error(t, verify(tamper(log(t, 5))))
		})
	}
}
