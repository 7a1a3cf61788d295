/* What the picture in prefix_tree.h promises, checked by walking everything. */
#include "prefix_tree_state.h"

static bool is_node_sound(const struct sgl_prefix_tree *tree, uint32_t index)
{
    const struct node *node = node_at(tree, index);
    const struct node *parent = node->parent != NONE ? node_at(tree, node->parent) : NULL;

    if (node->count == 0 || node->count > SGL_PREFIX_NODE_IDS || node->weight < node->count ||
        sgl_prefix_find(tree, node->parent, node->salt, node->ids[0]) !=
            (index << SLOT_COUNT_BITS | node->count))
        return false;
    for (uint32_t at = node->owners; at != NONE; at = owner_at(tree, at)->beside) {
        const struct owner *owner = owner_at(tree, at);
        if (owner->node != index)
            return false;
        if (parent != NULL &&
            (parent->salt != node->salt || sgl_prefix_owner(tree, parent, owner->tenant) == NONE))
            return false;
    }
    return true;
}

/* A tenant's list: ordered both ways, sizes that add up, and no parent older than its child. */
static bool is_tenant_sound(const struct sgl_prefix_tree *tree, uint32_t tenant, size_t *owners)
{
    int64_t size = 0;
    uint32_t before = NONE;
    uint32_t owned = 0;

    for (uint32_t at = tree->tenants[tenant].oldest; at != NONE; at = owner_at(tree, at)->newer) {
        const struct owner *owner = owner_at(tree, at);
        const struct node *node = node_at(tree, owner->node);
        if (owner->tenant != tenant || owner->older != before)
            return false;
        if (node->parent != NONE) {
            uint32_t newer = owner->newer;
            while (newer != NONE && owner_at(tree, newer)->node != node->parent)
                newer = owner_at(tree, newer)->newer;
            if (newer == NONE)
                return false;
        }
        size += node->weight;
        before = at;
        owned++;
    }
    *owners += owned;
    return owned == tree->tenants[tenant].owned && size == tree->tenants[tenant].size &&
           before == tree->tenants[tenant].newest;
}

bool sgl_prefix_tree_is_sound(const struct sgl_prefix_tree *tree)
{
    uint32_t nodes = 0;
    size_t owned = 0;
    size_t listed = 0;

    for (uint32_t i = 0; i < tree->nodes.fresh; i++) {
        if (node_at(tree, i)->owners == NONE)
            continue;
        nodes++;
        if (!is_node_sound(tree, i))
            return false;
        for (uint32_t at = node_at(tree, i)->owners; at != NONE; at = owner_at(tree, at)->beside)
            owned++;
    }
    for (uint32_t t = 0; t < tree->tenant_max; t++)
        if (!is_tenant_sound(tree, t, &listed))
            return false;
    return nodes == tree->node_count && owned == listed &&
           nodes + tree->nodes.free_count == tree->nodes.fresh &&
           owned + tree->owners.free_count == tree->owners.fresh;
}
