package api

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gildway/gildway/internal/identity"
	"github.com/gildway/gildway/internal/plan"
)

// Who comes, as seen from a task of rosa's, its gate and its grant.
const (
	nobody    = "nobody"    // without a token
	stranger  = "stranger"  // has nothing to do with the task
	requester = "requester" // rosa, who is also in the approving group
	approver  = "approver"  // of the gate; renews the grant, too
	owner     = "owner"     // of the template, through a group
	auditor   = "auditor"
	admin     = "admin"
	service   = "service" // whom no rule of the policy names
	plugin    = "plugin"  // of Backstage, for itself
)

var comers = []string{nobody, stranger, requester, approver, owner, auditor, admin, service, plugin}

// Rows that many operations share.
var (
	anybody  = comers
	signedIn = except(nobody)
	readers  = []string{requester, approver, owner, auditor, admin}
	runners  = except(nobody, auditor, service, plugin)
)

func except(who ...string) []string {
	return slices.DeleteFunc(slices.Clone(comers), func(c string) bool { return slices.Contains(who, c) })
}

// passes says for every operation of the document who gets past the guard, with what belongs to rosa. Everybody else is
// refused. An operation without a row fails the test: say here whom it is for.
var passes = map[string][]string{
	"GetTemplateParameterSchema": signedIn,
	"ListActions":                signedIn,
	"CreateTask":                 runners,
	"ListTasks":                  signedIn,
	"GetTask":                    readers,
	"CancelTask":                 {requester, admin},
	"RetryTask":                  {requester, admin},
	"StreamTaskEvents":           readers,
	"PollTaskEvents":             readers,
	"DryRun":                     runners,
	"Autocomplete":               signedIn,
	"ListTemplatingExtensions":   signedIn,
	"PermissionsMetadata":        signedIn,
	"ApplyConditions":            {plugin},
	"OwnKeys":                    anybody,

	"ListTemplates":        signedIn,
	"RefreshTemplates":     {admin},
	"GetTemplate":          signedIn,
	"ListTemplateVersions": signedIn,
	"GetTemplateGraph":     signedIn,
	"ListTemplateSources":  {admin},
	"PreviewRun":           runners,

	"ListTaskSummaries": signedIn,
	"GetTaskDetails":    readers,
	"GetTaskGraph":      readers,
	"CollectKeys":       {requester},
	"PauseTask":         {requester, admin},
	"ResumeTask":        {requester, admin},
	"CancelStep":        {requester, admin},
	"ResumeFailedTask":  {requester, admin},
	"StopTask":          {requester, admin},
	"RollbackTask":      {requester, owner, admin},
	"ListTaskEffects":   readers,
	"ListNotifications": signedIn,
	"ListLeftovers":     {auditor, admin},

	"ListSchedules":  signedIn,
	"CreateSchedule": runners,
	"GetSchedule":    {requester, owner, auditor, admin},
	"PauseSchedule":  {requester, admin},
	"ResumeSchedule": {requester, admin},
	"RunSchedule":    {requester, admin},
	"DeleteSchedule": {requester, admin},

	"ListApprovals":  signedIn,
	"GetApproval":    readers,
	"DecideApproval": {approver},
	"SignDecision":   {approver},
	"LinkApproval":   {approver},

	"ListAccess":         signedIn,
	"RevokeAccessOf":     except(nobody, auditor),
	"GetAccess":          readers,
	"CheckAccess":        {auditor, admin}, // of everything; see TestCheckAccess
	"GetAccessCheck":     {auditor, admin},
	"ListDrift":          signedIn,
	"ListAccessReviews":  signedIn,
	"GetAccessReview":    {owner, auditor, admin},
	"DecideAccessReview": {owner},

	"RenewAccess":  {requester, approver, owner},
	"RevokeAccess": {requester, owner, admin},

	"Health":  anybody,
	"Ready":   anybody,
	"Metrics": anybody,
	"Openapi": anybody, "ScaffolderOpenapi": anybody,

	"ApprovePage": anybody,
}

// Every operation of the document is asked for by everybody, about what belongs to rosa. Who is refused is refused before
// anything has happened, and who may not read the task learns of it from no list.
func TestEveryOperation_PassesWhomItIsFor_AndNobodyElse(t *testing.T) {
	t.Parallel()
	const program = "a-program-that-no-rule-names"
	sum, err := identity.HashToken(secret(program))
	require.NoError(t, err)
	known, err := identity.NewServiceToken("service:default/ci", sum, nil)
	require.NoError(t, err)
	b, trusted := newBackstage(t, known)
	w := newWorld(t, trusted)
	tokens := map[string]string{
		stranger: b.user(eve), requester: b.user(rosa), approver: b.user(ben), owner: b.user(tess), auditor: b.user(olga), admin: b.user(adam),
		service: program, plugin: b.call("scaffolder", ""),
	}
	document, err := GetSpec()
	require.NoError(t, err)
	left := map[string]bool{}
	for operation := range passes {
		left[operation] = true
	}
	for path, item := range document.Paths.Map() {
		for method, o := range item.Operations() {
			require.Contains(t, passes, o.OperationID, "%s %s needs a row: who is it for?", method, path)
			delete(left, o.OperationID)
			t.Run(o.OperationID, func(t *testing.T) {
				made := w.call(http.MethodPost, "/api/scaffolder/v2/tasks", map[string]any{"templateRef": "noop", "values": map[string]any{"name": "one"}},
					"Authorization", "Bearer "+tokens[requester])
				require.Equal(t, http.StatusCreated, made.status, made.text)
				task := made.json(t)["id"].(string)
				gate := w.gate(task)
				lease := w.lease(task, "a:b", plan.Lease{TTL: plan.Duration(time.Hour), Renewable: true, Approvers: []string{leads}})
				schedule := w.schedule(newID())
				review := w.review(task)
				url := strings.NewReplacer("{taskId}", task, "{scheduleId}", schedule, "{reviewId}", segment(review), "{approvalId}", segment(gate), "{leaseId}", segment(lease),
					"{namespace}", "default", "{kind}", "template", "{name}", "noop", "{step}", "hello", "{action}", "abort").Replace(path)
				var body any
				if o.RequestBody != nil {
					body = "{}"
				}
				ask := func(who string) answer {
					if o.OperationID == "StreamTaskEvents" || o.OperationID == "PollTaskEvents" {
						require.NoError(t, w.store.Complete(t.Context(), task, 0, "completed", "", nil, nil)) // so that it ends
					}
					if who == nobody {
						return w.call(method, url, body)
					}
					return w.call(method, url, body, "Authorization", "Bearer "+tokens[who])
				}
				before := w.engine.calls()
				for _, who := range except(passes[o.OperationID]...) {
					want := http.StatusForbidden
					if who == nobody {
						want = http.StatusUnauthorized
					}
					require.Equal(t, want, ask(who).status, who)
				}
				require.Equal(t, before, w.engine.calls(), "who is refused has changed nothing")
				for _, who := range passes[o.OperationID] {
					got := ask(who)
					require.NotContains(t, []int{http.StatusUnauthorized, http.StatusForbidden}, got.status, "%s: %s", who, got.text)
					if !strings.Contains(url, task) && !slices.Contains(readers, who) {
						require.NotContains(t, got.text, task, who)
					}
				}
			})
		}
	}
	require.Empty(t, left, "rows of operations that are no more")
}
