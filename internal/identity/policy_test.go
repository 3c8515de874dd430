package identity

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestRoles_Allows(t *testing.T) {
	t.Parallel()
	roles := Roles{Admin: []string{"group:default/admins"}, Auditor: []string{"group:default/auditors", "user:default/olga"}}
	task := Subject{Requester: "user:default/rosa", Approvers: []string{"group:default/leads", "user:default/ben"}}
	for name, c := range map[string]struct {
		who                           Principal
		read, cancel, collect, mayRun bool
	}{
		"requester":         {Principal{Ref: "user:default/rosa", Kind: User}, true, true, true, true},
		"stranger":          {Principal{Ref: "user:default/eve", Kind: User}, false, false, false, true},
		"approver":          {Principal{Ref: "user:default/ben", Kind: User}, true, false, false, true},
		"approving group":   {Principal{Ref: "user:default/x", Groups: []string{"group:default/leads"}, Kind: User}, true, false, false, true},
		"auditor":           {Principal{Ref: "user:default/x", Groups: []string{"group:default/auditors"}, Kind: User}, true, false, false, false},
		"named auditor":     {Principal{Ref: "user:default/olga", Kind: User}, true, false, false, false},
		"admin":             {Principal{Ref: "user:default/x", Groups: []string{"group:default/admins"}, Kind: User}, true, true, false, true},
		"service":           {Principal{Ref: "service:default/portal", Kind: Service}, false, false, false, false},
		"same ref, service": {Principal{Ref: "user:default/rosa", Kind: Service}, false, false, false, false},
		"nobody":            {Principal{}, false, false, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, c.read, roles.Allows(c.who, Read, task), "read")
			require.Equal(t, c.cancel, roles.Allows(c.who, Cancel, task), "cancel")
			require.Equal(t, c.collect, roles.Allows(c.who, Collect, task), "collect")
			require.Equal(t, c.mayRun, roles.MayRun(c.who), "run")
			require.False(t, roles.Allows(c.who, "anything else", task))
		})
	}
}

func TestAdmits(t *testing.T) {
	t.Parallel()
	approvers := []string{"group:default/leads", "user:default/ben"}
	for name, c := range map[string]struct {
		user   string
		groups []string
		admits bool
	}{
		"member":                 {"user:default/x", []string{"group:default/y", "group:default/leads"}, true},
		"named":                  {"user:default/ben", nil, true},
		"neither":                {"user:default/x", []string{"group:default/y"}, false},
		"requester in the group": {"user:default/rosa", []string{"group:default/leads"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, c.admits, Admits(c.user, c.groups, "user:default/rosa", approvers))
		})
	}
}
