"""Durable workflows on the tables of a Peewee application."""
