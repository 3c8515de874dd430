// Package sandbox puts the provider doubles together: one HTTP handler over one folder, with people
// and teams that exist in all of them.
//
// Effects are counted by name and resource, each only when something really changed:
//
//	github.repo.{created,updated,deleted}, github.push, github.{topics,properties}.set   ORG/REPO
//	github.protection.{set,removed}                                                      ORG/REPO/BRANCH
//	github.team.{granted,revoked}, github.collaborator.{granted,revoked}                 ORG/REPO/WHO
//	github.variable.set, github.secret.set                                               ORG/REPO/NAME
//	okta.group.{created,updated,deleted}                                                 GROUP
//	okta.membership.{added,removed}                                                      GROUP/LOGIN
//	okta.user.created                                                                    LOGIN
//	servicenow.TABLE.{created,updated,deleted}                                           correlation_id, else number
//	slack.im.opened, slack.message.posted                                                USER_ID, CHANNEL_ID
//	mail.{delivered,dropped}                                                             RECIPIENT
//	catalog.location.{created,deleted}                                                   target
//	catalog.entity.{created,updated,deleted}                                             ref
package sandbox
