package github

import (
	"net/http"

	"github.com/gildway/gildway/internal/sandbox/rest"
)

// subscription is what an account wants to hear of a repository.
type subscription struct {
	Subscribed bool `json:"subscribed"`
	Ignored    bool `json:"ignored"`
}

func (d *Double) getSubscription(w http.ResponseWriter, r *http.Request, repo repository) {
	s, ok := repo.Subscriptions[d.account(r)]
	if !ok {
		refuse(w, http.StatusNotFound, "Not Found", "/activity/watching#get-a-repository-subscription")
		return
	}
	d.showSubscription(w, repo, s)
}

func (d *Double) putSubscription(w http.ResponseWriter, r *http.Request, repo repository) {
	var s subscription
	if rest.Read(w, r, &s) != nil {
		unreadable(w)
		return
	}
	who := d.account(r)
	_, err := d.change(repo, "github.subscription.set", repo.fullName()+"/"+who, func(r *repository) { put(&r.Subscriptions, who, s) })
	done(w, err, func() { d.showSubscription(w, repo, s) })
}

func (d *Double) showSubscription(w http.ResponseWriter, repo repository, s subscription) {
	api := d.URL + "/repos/" + repo.fullName()
	rest.JSON(w, 200, map[string]any{
		"subscribed": s.Subscribed, "ignored": s.Ignored, "reason": nil, "created_at": stamp(repo.CreatedAt),
		"url": api + "/subscription", "repository_url": api,
	})
}
