package demo

import (
	"context"
	"math/rand/v2"
)

// action is what an application does in one transaction.
type action struct {
	name   string
	weight int // how often, relative to the others
	// changes is the most that come of it.
	changes int
	// picks is how many orders that exist it asks for.
	picks int
	// do works in the transaction, on the orders that could be had.
	do func(ctx context.Context, w *worker, tx *transaction, orders []int64) error
	// undone says that the transaction is rolled back at the end.
	undone bool
}

// smallActions are the bulk of the writer's work.
var smallActions = []action{
	{name: "new order", weight: 30, changes: 1, do: newOrders(1)},
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
	{name: "mass edit", do: onOrders(editOrders)},
	{name: "mass second attempt", do: secondAttempt},
	{name: "mass edit of lines", do: onLines(editLines)},
	{name: "mass deletion", do: massDelete},
}

func newOrders(n int) func(context.Context, *worker, *transaction, []int64) error {
	return func(ctx context.Context, w *worker, tx *transaction, _ []int64) error {
		return w.create(ctx, tx, n)
	}
}

func importOrders(ctx context.Context, w *worker, tx *transaction, _ []int64) error {
	return w.create(ctx, tx, w.granted)
}

// create inserts n orders with lines.
func (w *worker) create(ctx context.Context, tx *transaction, n int) error {
	ids := w.writer.allocate(n)
	if err := tx.orders(ctx, insertOrders, ids); err != nil {
		return err
	}
	return tx.lines(ctx, insertLines, ids)
}

func onOrders(sql string) func(context.Context, *worker, *transaction, []int64) error {
	return func(ctx context.Context, _ *worker, tx *transaction, orders []int64) error {
		return tx.orders(ctx, sql, orders)
	}
}

func onLines(sql string) func(context.Context, *worker, *transaction, []int64) error {
	return func(ctx context.Context, _ *worker, tx *transaction, orders []int64) error {
		return tx.lines(ctx, sql, orders)
	}
}

// hardDelete leaves orders alone of which a change of lines alone has not
// arrived yet: publishing that one looks the order up, and would find it gone.
// It yields nothing then, rightly, but the account of the demo is one verdict for
// each change. The orders are locked, so no such change can come to them now.
func hardDelete(ctx context.Context, _ *worker, tx *transaction, orders []int64) error {
	return tx.orders(ctx, hardDeleteOrders, tx.tracker.withoutOpenLines(orders))
}

// replace deletes orders and makes them anew: one change each, that saves them.
func replace(ctx context.Context, _ *worker, tx *transaction, orders []int64) error {
	if err := tx.orders(ctx, hardDeleteOrders, orders); err != nil {
		return err
	}
	return tx.orders(ctx, insertOrders, orders)
}

// shortLived makes an order and deletes it: one change, that deletes it.
func shortLived(ctx context.Context, w *worker, tx *transaction, _ []int64) error {
	ids := w.writer.allocate(1)
	if err := tx.orders(ctx, insertOrders, ids); err != nil {
		return err
	}
	return tx.orders(ctx, hardDeleteOrders, ids)
}

// mixed does something else to each order, touches some of them twice, and makes
// two new ones.
func mixed(ctx context.Context, w *worker, tx *transaction, orders []int64) error {
	if err := w.create(ctx, tx, 2); err != nil {
		return err
	}
	if err := tx.lines(ctx, editLines, orders); err != nil {
		return err
	}
	rand.Shuffle(len(orders), func(i, j int) { orders[i], orders[j] = orders[j], orders[i] })
	half := orders[:len(orders)/2]
	if err := tx.orders(ctx, editOrders, half); err != nil {
		return err
	}
	if len(half) > 0 {
		if err := tx.orders(ctx, softDeleteOrders, half[:1]); err != nil {
			return err
		}
	}
	if rest := orders[len(half):]; len(rest) > 0 {
		return hardDelete(ctx, w, tx, rest[:1])
	}
	return nil
}

// secondAttempt undoes its first attempt, and does less in its second.
func secondAttempt(ctx context.Context, w *worker, tx *transaction, orders []int64) error {
	half := orders[:len(orders)/2]
	if err := tx.orders(ctx, editOrders, half); err != nil {
		return err
	}
	if err := tx.savepoint(ctx); err != nil {
		return err
	}
	if err := tx.orders(ctx, softDeleteOrders, orders); err != nil {
		return err
	}
	if err := w.create(ctx, tx, 1); err != nil {
		return err
	}
	if err := tx.rollbackTo(ctx); err != nil {
		return err
	}
	w.writer.savepoints.Add(1)
	return tx.lines(ctx, editLines, orders[len(half):])
}

// massDelete deletes half of the orders softly and the other half for good.
func massDelete(ctx context.Context, w *worker, tx *transaction, orders []int64) error {
	half := orders[:len(orders)/2]
	if err := tx.orders(ctx, softDeleteOrders, half); err != nil {
		return err
	}
	return hardDelete(ctx, w, tx, orders[len(half):])
}
