"""In TensorFlow's optimized graph of a training step, too, a read of a variable comes before the update after it."""

import keras
import pytest

from tests.tiny_recipes import batch, build

UPDATES = {"AssignVariableOp", "AssignAddVariableOp", "AssignSubVariableOp"}


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="of TensorFlow's graphs")
def test_no_read_may_come_after_the_update_that_follows_it():
    """Else it may see the new weights: in one of some hundred steps R1 was not that of the discriminator it trained."""
    step = training_step("stacked_mnist")
    assert unordered(step.graph.as_graph_def()) == []
    assert unordered(optimized(step.graph)) == []


def training_step(name):
    import tensorflow as tf

    gan = build(name)
    return tf.function(gan.train_step).get_concrete_function(tf.constant(batch(name)))


def optimized(graph):
    """Returns a graph as TensorFlow optimizes it, with the options of this process, before it runs it."""
    from tensorflow.core.protobuf import config_pb2
    from tensorflow.python.eager import context
    from tensorflow.python.grappler import tf_optimizer
    from tensorflow.python.training.saver import export_meta_graph

    exported = export_meta_graph(graph_def=graph.as_graph_def(), graph=graph)
    fetched = exported.collection_def["train_op"].node_list.value
    fetched.extend(each.name for each in [*graph.outputs, *graph.control_outputs])
    options = config_pb2.ConfigProto.FromString(context.context().config.SerializeToString())
    return tf_optimizer.OptimizeGraph(options, exported)


def unordered(graph):
    """Returns the pairs of a read and an update of one variable of which neither waits for the other."""
    nodes = {node.name: node for node in graph.node}
    before = {node.name: ancestors(node, nodes) for node in graph.node if is_access(node)}
    accesses = {}
    for name in before:
        accesses.setdefault(variable(nodes[name], nodes), []).append(name)
    return [
        (read, update)
        for of_variable in accesses.values()
        for read in of_variable
        for update in of_variable
        if nodes[read].op == "ReadVariableOp" and nodes[update].op in UPDATES
        if read not in before[update] and update not in before[read]
    ]


def is_access(node):
    return node.op == "ReadVariableOp" or node.op in UPDATES


def inputs(node):
    return [name.removeprefix("^").split(":")[0] for name in node.input]


def ancestors(node, nodes):
    found, open_ones = set(), inputs(node)
    while open_ones:
        name = open_ones.pop()
        if name not in found:
            found.add(name)
            open_ones += inputs(nodes[name])
    return found


def variable(node, nodes):
    """Returns the name of the variable that a node reads or updates."""
    while (node := nodes[inputs(node)[0]]).op == "Identity":
        pass
    return node.name
