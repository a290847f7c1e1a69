#!/bin/sh
# Plays a benchmark's program in the tests: runs what the folder it is started in says. It is part of the checkout
# because a program just written cannot be started while a child that another thread forks still holds it open.
. ./script
