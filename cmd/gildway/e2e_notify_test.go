//go:build linux

package main_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gildway/gildway/internal/sandbox/faults"
)

// message is what somebody was told.
type message struct {
	key   string // of its notice, or the Message-ID
	title string
	text  string
}

// inSlack are the messages about a run in a channel or with a person, oldest first.
func (r run) inSlack(t *testing.T, in string) (list []message) {
	t.Helper()
	var all []struct {
		Text     string
		Metadata struct {
			Payload struct{ Key string } `json:"event_payload"`
		}
	}
	getJSON(t, r.by.stack.endpoints.Sandbox["slack"]+"/messages?in="+url.QueryEscape(in), "", &all)
	for _, m := range all {
		if strings.Contains(m.Text, r.id) {
			title, _, _ := strings.Cut(m.Text, "\n")
			list = append([]message{{m.Metadata.Payload.Key, strings.Trim(title, "*"), m.Text}}, list...)
		}
	}
	return list
}

// byMail are the letters about a run to an address, oldest first.
func (r run) byMail(t *testing.T, to string) (list []message) {
	t.Helper()
	var all []struct{ Subject, MessageID, Text, HTML string }
	getJSON(t, r.by.stack.endpoints.Sandbox["mail"]+"?to="+url.QueryEscape(to), "", &all)
	for _, m := range all {
		if strings.Contains(m.Text, r.id) {
			list = append([]message{{m.MessageID, m.Subject, m.Text}}, list...)
		}
	}
	return list
}

// requireTold waits until somebody was told the titles by both ways, and sees to it that nothing was told twice.
func (r run) requireTold(t *testing.T, slack, mail string, titles ...string) {
	t.Helper()
	for way, look := range map[string]func() []message{
		"in Slack, " + slack: func() []message { return r.inSlack(t, slack) }, "by mail to " + mail: func() []message { return r.byMail(t, mail) },
	} {
		eventually(t, strings.Join(titles, " and ")+" "+way, func() bool {
			times := map[string]int{}
			for _, m := range look() {
				times[m.title]++
			}
			told := 0
			for _, title := range titles {
				require.LessOrEqual(t, times[title], 1, "%s, %s", title, way)
				told += times[title]
			}
			return told == len(titles)
		})
	}
}

const remindedOf = `apiVersion: scaffolder.backstage.io/v3
kind: Template
metadata: {name: reminded-of, title: Reminded Of}
spec:
  owner: group:default/platform-team
  type: service
  steps:
    - id: ask
      name: Ask
      action: approval:request
      input: {approvers: ["group:default/ml-platform-team"], reason: "Because <!channel> & more", remindEvery: 20s, timeout: 1h}
`

func TestNotifications_AGate_FromTheQuestionToTheResult(t *testing.T) {
	t.Parallel()
	s := shared(t)
	s.registerTemplate(t, "reminded-of", remindedOf)
	p := s.newcomer(t, "nora")
	r := p.submit(t, "reminded-of", map[string]any{})
	gate := r.gate(t)
	asked := "user:default/nora asks for your approval: Ask"
	eventually(t, "the first reminder", func() bool {
		return len(r.inSlack(t, "#ml-platform-team")) >= 2 && len(r.byMail(t, "ml-platform-team@acme.example")) >= 2
	})
	r.approve(t)
	r.completes(t)
	r.requireTold(t, "@nora", p.login(), "Your request was approved: Ask", "Reminded Of has completed")

	messages := append(r.inSlack(t, "#ml-platform-team"), r.byMail(t, "ml-platform-team@acme.example")...)
	first, keys := 0, map[string]bool{}
	for _, m := range messages {
		require.False(t, keys[m.key], "told twice: %s", m.title)
		keys[m.key] = true
		if m.title == asked {
			first++
		} else {
			require.Equal(t, "user:default/nora still waits for your approval: Ask", m.title)
		}
		link := regexp.MustCompile(`https?://[^|>\s]+`).FindString(m.text)
		path, here := strings.CutPrefix(link, s.endpoints.API)
		require.True(t, here, m.text)
		status, body := s.role("approver").ask(t, http.MethodGet, path, "")
		require.Equal(t, http.StatusOK, status, string(body))
		var shown struct{ ID string }
		require.NoError(t, json.Unmarshal(body, &shown))
		require.Equal(t, gate.ID, shown.ID)
		require.NotContains(t, m.text, "*<!channel>")
	}
	require.Equal(t, 2, first, "once by each way")
	for _, m := range r.inSlack(t, "@nora") {
		require.Contains(t, m.text, "<"+s.endpoints.API+"/api/gildway/v1/tasks/"+r.id+"|Open the run>")
	}
	require.Zero(t, s.dropped(t, p.login()), "no letter was sent twice")
}

const askedInPerson = `apiVersion: scaffolder.backstage.io/v3
kind: Template
metadata: {name: asked-in-person}
spec:
  owner: group:default/platform-team
  type: service
  steps:
    - {id: ask, name: Ask, action: "approval:request", input: {approvers: ["user:default/paula"], timeout: 1h}}
`

// The link in somebody's own message is theirs: they decide with it, and nothing else.
func TestNotifications_AnApprover_DecidesByTheLinkInTheMessage(t *testing.T) {
	t.Parallel()
	s := shared(t)
	s.registerTemplate(t, "asked-in-person", askedInPerson)
	approver := s.newcomer(t, "paula")
	r := s.newcomer(t, "piet").submit(t, "asked-in-person", map[string]any{})
	gate := r.gate(t)
	links := regexp.MustCompile(regexp.QuoteMeta(s.endpoints.API) + `/approve#([\w.-]+)`)
	var tokens []string
	eventually(t, "a letter and a message with a link", func() bool {
		tokens = nil
		for _, at := range []string{s.endpoints.Sandbox["mail"] + "?to=" + approver.login(), s.endpoints.Sandbox["slack"] + "/messages?in=@paula"} {
			var told []struct{ Text string }
			getJSON(t, at, "", &told)
			for _, m := range told {
				if found := links.FindStringSubmatch(m.Text); found != nil {
					tokens = append(tokens, found[1])
				}
			}
		}
		return len(tokens) == 2
	})
	linked := person{stack: s, name: "paula", token: tokens[0]}
	code, body := linked.ask(t, http.MethodGet, "/api/gildway/v1/approvals", "")
	require.Equal(t, http.StatusForbidden, code, string(body))
	code, body = linked.ask(t, http.MethodPost, "/api/gildway/v1/approvals/"+gate.ID+"/decision", `{"decision":"approve"}`)
	require.Equal(t, http.StatusOK, code, string(body))
	r.completes(t)
	require.Equal(t, 1, s.auditedOf(t, r.id, "approval-decided", `"via":"link"`))
	code, _ = person{stack: s, token: tokens[1]}.ask(t, http.MethodPost, "/api/gildway/v1/approvals/"+gate.ID+"/decision", `{"decision":"reject"}`)
	require.Equal(t, http.StatusConflict, code, "it is decided")
}

// dropped counts the letters that somebody had already.
func (s *localStack) dropped(t *testing.T, to string) int64 {
	t.Helper()
	var counts struct {
		Effects map[string]struct{ By map[string]int64 }
	}
	getJSON(t, s.endpoints.Sandbox["faults"]+"/counts", "", &counts)
	return counts.Effects["mail.dropped"].By[to]
}

func TestNotifications_AFailure_TellsRequesterAndOwner(t *testing.T) {
	t.Parallel()
	s := shared(t)
	p := s.newcomer(t, "fritz")
	s.refuse(t, "okta", "PUT", s.membership(t, "llm-gateway-users", p))
	r := p.submitAccess(t, fewTokens)
	events := r.follow(t)
	require.NotNil(t, events[len(events)-1].Body.Error)
	failed := "Request LLM Gateway Access (Golden Path) has failed"
	r.requireTold(t, "@fritz", p.login(), failed)
	r.requireTold(t, "#ml-platform-team", "ml-platform-team@acme.example", failed)
}

// What was sent and whose answer was lost is not sent again, also by a server that comes after the one that sent it.
func crashMessages(t *testing.T, s *localStack) {
	p := s.newcomer(t, "milo")
	s.arm(t, faults.Rule{Provider: "slack", Path: "/api/chat.postMessage", Contains: "has+completed", Kind: faults.DropAfter, Times: 1})
	s.arm(t, faults.Rule{Provider: "smtp", Method: "DATA", Path: "/" + p.login(), Kind: faults.DropAfter, Times: 1})
	r := p.submitAccess(t, fewTokens)
	r.completes(t)
	eventually(t, "the messages to be sent", func() bool { return len(r.inSlack(t, "@milo")) > 0 && len(r.byMail(t, p.login())) > 0 })
	s.kill(t, "server")
	eventually(t, "everything to be noted as sent", func() bool {
		answer, err := http.Get(s.endpoints.API + "/metrics")
		if err != nil {
			return false // on its way up
		}
		defer answer.Body.Close()
		raw, err := io.ReadAll(answer.Body)
		require.NoError(t, err)
		return !regexp.MustCompile(`gildway_notices_waiting\{.*\} [1-9]`).Match(raw)
	})
	r.requireTold(t, "@milo", p.login(), "Request LLM Gateway Access (Golden Path) has completed")
	require.LessOrEqual(t, s.dropped(t, p.login()), int64(1), "SMTP can't be asked: the second letter has the first one's Message-ID, and the server drops it")
}
