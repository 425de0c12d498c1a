// Package storm holds the cases that judge outcomes: many clients work on few entities of the TCK's model at once while the environment disturbs the targets, and
// an oracle judges what became of every command.
//
// What enters: a pair, and the environment, as package suite hands them over. What leaves: [Cases].
//
// No case looks at the messages on the way but for the state that the user function is shown, so each holds in every environment: calm, between restarts, under
// kills, on links that lose what passes. What a client may conclude from an answer is the same for all proxies:
//
//   - an answer without an error, or ALREADY_EXISTS to a command with an idempotency key: it was carried out, once;
//   - any answer to a command that makes the user function fail: nothing of it was carried out (ES-36, VE-20);
//   - a status whose description says "not carried out" or "nothing was changed": it was not, and will not be (SERV-55); likewise a call for which no connection could be made;
//   - anything else: unknown.
//
// After the disturbances each entity is read, and the whole history judged by package oracle.
package storm
