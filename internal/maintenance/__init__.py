"""Periodic and operators' work: requeue, gc, retention, reconcile, dead letters."""
