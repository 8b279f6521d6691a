package demo

import "math/rand/v2"

// action is what an application does in one transaction.
type action struct {
	name   string
	weight int // how often, relative to the others
	// changes is the most that come of it.
	changes int
	// picks is how many orders that exist it asks for.
	picks int
	// do works in the transaction, on the orders that could be had.
	do func(k *worker, tx *transaction, orders []int64)
	// undone says that the transaction is rolled back at the end.
	undone bool
}

// smallActions are the bulk of the writer's work.
var smallActions = []action{
	{name: "new order", weight: 30, changes: 1, do: newOrder},
	{name: "edit", weight: 20, changes: 1, picks: 1, do: onOrders(editOrders)},
	{name: "edit lines", weight: 12, changes: 2, picks: 2, do: onLines(editLines)},
	{name: "add line", weight: 6, changes: 1, picks: 1, do: onLines(addLines)},
	{name: "remove line", weight: 4, changes: 1, picks: 1, do: onLines(removeLines)},
	{name: "soft delete", weight: 5, changes: 1, picks: 1, do: onOrders(softDeleteOrders)},
	{name: "restore", weight: 3, changes: 2, picks: 2, do: onOrders(restoreOrders)},
	{name: "hard delete", weight: 5, changes: 1, picks: 1, do: hardDelete},
	{name: "replace", weight: 2, changes: 1, picks: 1, do: replace},
	{name: "short-lived order", weight: 1, changes: 1, do: shortLived},
	{name: "mixed", weight: 10, changes: 7, picks: 5, do: mixed},
	{name: "second attempt", weight: 6, changes: 5, picks: 4, do: secondAttempt},
	{name: "given up", weight: 5, changes: 6, picks: 4, do: mixed, undone: true},
}

// largeActions are made in turn. Their changes and picks are filled in.
var largeActions = []action{
	{name: "import", do: importOrders},
	{name: "import given up", do: importOrders, undone: true},
	{name: "mass edit of lines", do: onLines(editLines)},
	{name: "mass second attempt", do: secondAttempt},
	{name: "mass deletion", do: massDelete},
	{name: "mass edit", do: onOrders(editOrders)},
}

func newOrder(k *worker, tx *transaction, _ []int64) { k.create(tx, 1) }

func importOrders(k *worker, tx *transaction, _ []int64) { k.create(tx, k.granted) }

// create inserts n orders with lines.
func (k *worker) create(tx *transaction, n int) {
	ids := k.writer.allocate(n)
	tx.orders(insertOrders, ids)
	tx.lines(insertLines, ids)
}

func onOrders(sql string) func(*worker, *transaction, []int64) {
	return func(_ *worker, tx *transaction, orders []int64) { tx.orders(sql, orders) }
}

func onLines(sql string) func(*worker, *transaction, []int64) {
	return func(_ *worker, tx *transaction, orders []int64) { tx.lines(sql, orders) }
}

// hardDelete leaves orders alone of which a change of lines alone has not
// arrived yet: publishing that one looks the order up, and would find it gone.
// It yields nothing then, rightly, but the account of the demo is one verdict for
// each change. The orders are locked, so no such change can come to them now.
func hardDelete(_ *worker, tx *transaction, orders []int64) {
	tx.orders(hardDeleteOrders, tx.tracker.withoutOpenLines(orders))
}

// replace deletes orders and makes them anew: one change each, that saves them.
func replace(_ *worker, tx *transaction, orders []int64) {
	tx.orders(hardDeleteOrders, orders)
	tx.orders(insertOrders, orders)
}

// shortLived makes an order and deletes it: one change, that deletes it.
func shortLived(k *worker, tx *transaction, _ []int64) {
	ids := k.writer.allocate(1)
	tx.orders(insertOrders, ids)
	tx.orders(hardDeleteOrders, ids)
}

// mixed does something else to each order, touches some of them twice, and makes
// two new ones.
func mixed(k *worker, tx *transaction, orders []int64) {
	k.create(tx, 2)
	tx.lines(editLines, orders)
	rand.Shuffle(len(orders), func(i, j int) { orders[i], orders[j] = orders[j], orders[i] })
	half := orders[:len(orders)/2]
	tx.orders(editOrders, half)
	tx.orders(softDeleteOrders, half[:min(len(half), 1)])
	rest := orders[len(half):]
	hardDelete(k, tx, rest[:min(len(rest), 1)])
}

// secondAttempt undoes its first attempt, and does less in its second.
func secondAttempt(k *worker, tx *transaction, orders []int64) {
	half := orders[:len(orders)/2]
	tx.orders(editOrders, half)
	tx.savepoint()
	tx.orders(softDeleteOrders, orders)
	k.create(tx, 1)
	tx.rollbackTo()
	k.writer.savepoints.Add(1)
	tx.lines(editLines, orders[len(half):])
}

// massDelete deletes half of the orders softly and the other half for good.
func massDelete(k *worker, tx *transaction, orders []int64) {
	half := orders[:len(orders)/2]
	tx.orders(softDeleteOrders, half)
	hardDelete(k, tx, orders[len(half):])
}
